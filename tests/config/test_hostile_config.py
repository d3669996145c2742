"""What a stranger's configuration cannot do: run a program, load a pickle, read the environment, open a port."""

from __future__ import annotations

import os
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from nastk.config.build import build, load_yaml
from nastk.config.trust import trust, trusted_class
from nastk.data.images import DataSource
from nastk.errors import UserError
from nastk.own_modules import VARIABLE
from tests.commands import run

Capture = pytest.CaptureFixture[str]
SMALL = (
    *("+space=nasbench201", "trials=1", "evaluator.epochs=1", "data.subset=64", "controller=random"),
    *("evaluator.network.filters=2", "objective.maximize=[accuracy]"),
)
SLOTS = ("controller", "evaluator", "objective", "pruner", "target", "latency", "data", "executor")
PROGRAM = "torch.distributed.elastic.multiprocessing.subprocess_handler.SubprocessHandler"  # starts one when made
NAMES = (
    *("os.system", "builtins.exec", "torch.hub.load", "torch.load", "torch.os.system", "nastk.files.os.system"),
    *("hydra.utils.get_method", "hydra.utils.instantiate", "optuna.study.create_study", "optuna.storages.RDBStorage"),
    *("torch.utils.cpp_extension.load", "torch.package.PackageImporter", "torch.distributed.TCPStore", PROGRAM),
    *(
        "nastk.cli.launch.launch",
        "nastk.deploy.runtimes.remote_shell.run_there",
        "optuna.__main__.main",
        "torch._C.Generator",
    ),
    *(
        "nastk.config.build.OmegaConf",
        "nastk.config.build.build",
        "nastk..os",
        "nastk",
        "torch.nn.Module",
        "subprocess.Popen",
    ),
)


@pytest.fixture
def owned(tmp_path: Path) -> Path:
    """A file that is there once a stranger's command has run."""
    return tmp_path / "owned"


@pytest.mark.parametrize("slot", SLOTS)
@pytest.mark.parametrize("name", ["os.system", PROGRAM])
def test_no_slot_of_a_search_takes_what_is_not_meant_for_it(
    capsys: Capture, tmp_path: Path, owned: Path, slot: str, name: str
) -> None:
    hostile = (f"{slot}._target_={name}", f"+{slot}.entrypoint=touch", f"+{slot}.args=[{owned}]")
    outcome = run(capsys, "search", f"runs={tmp_path / 'runs'}", *SMALL, *hostile)
    assert f"{slot}._target_='{name}'" in outcome.line
    assert "nothing was run" in outcome.line
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_held_to_the_class_that_it_leads_to(name: str) -> None:
    with pytest.raises(UserError, match=r"_target_='.*(nothing was run|not found)"):
        trusted_class(name, "data", DataSource)
    with pytest.raises(UserError, match=r"_target_='.*(nothing was run|not found)"):
        trusted_class(name, "data")


@pytest.mark.parametrize("name", ["antigravity.fly", "wsgiref.simple_server.WSGIServer", "optuna.__main__.main"])
def test_a_refused_name_is_not_even_imported(name: str) -> None:
    code = f"import sys; from nastk.config.trust import trusted_class\ntry: trusted_class({name!r}, 'data')\n"
    code += f"except Exception as error: print({name.rpartition('.')[0]!r} in sys.modules, type(error).__name__)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert said.stdout == "False UserError\n"


def test_a_nested_target_is_held_to_the_annotation_of_its_field(owned: Path) -> None:
    import optuna

    inner = {"_target_": "optuna.pruners.MedianPruner"}
    patient = {"_target_": "optuna.pruners.PatientPruner", "wrapped_pruner": inner, "patience": 2}
    assert isinstance(build(patient, "pruner", optuna.pruners.BasePruner), optuna.pruners.PatientPruner)
    for name in (PROGRAM, "os.system", "optuna.samplers.RandomSampler"):
        with pytest.raises(UserError, match=r"pruner.wrapped_pruner._target_='.*nothing was run"):
            build({**patient, "wrapped_pruner": {"_target_": name}}, "pruner", optuna.pruners.BasePruner)
    nested = {"_target_": "os.system", "command": f"touch {owned}"}
    with pytest.raises(UserError, match=r"space.blocks: has a _target_, expected int"):
        build({"_target_": "nastk.spaces.NasnetSpace", "blocks": nested}, "space")
    with pytest.raises(UserError, match=r"space.ops="):
        build({"_target_": "nastk.spaces.NasnetSpace", "ops": [nested]}, "space")
    for field in ("_partial_", "_args_", "_recursive_"):
        with pytest.raises(UserError, match=f"setting in space '{field}'"):
            build({"_target_": "nastk.spaces.NasnetSpace", field: True}, "space")
    with pytest.raises(UserError, match="expected one of Optuna's"):
        build({"_target_": "nastk.controllers.PerTrial", "sampler": "optuna.__main__.main"}, "controller")
    assert not owned.exists()


def test_a_strangers_run_folder_runs_nothing(capsys: Capture, tmp_path: Path, owned: Path) -> None:
    made = run(capsys, "search", f"runs={tmp_path / 'runs'}", "run=theirs", *SMALL)
    assert made.code == 0, made.err
    folder = tmp_path / "runs" / "theirs"
    text = (folder / "config.yaml").read_text()
    for slot, entry in (("data", "transfer"), ("target", "export"), ("target", "bench"), ("evaluator", "audit")):
        config = yaml.safe_load(text)
        for name in ("os.system", PROGRAM):
            config[slot] = {"_target_": name, "entrypoint": "touch", "args": [str(owned)], "command": f"touch {owned}"}
            (folder / "config.yaml").write_text(yaml.safe_dump(config))
            outcome = run(capsys, entry, f"runs={tmp_path / 'runs'}", "run=theirs")
            assert outcome.code == 2, (entry, outcome)
    os.environ["NASTK_TEST_SECRET"] = "hunter2"
    for hostile in (
        "seed: !!python/object/apply:os.system ['touch {owned}']\n",
        "seed: '${oc.env:NASTK_TEST_SECRET}'\n",
        "evaluator: {'${${x}:NASTK_TEST_SECRET}': 1}\n",
        "data: {root: '${oc.decode:${oc.env:NASTK_TEST_SECRET}}'}\n",
    ):
        (folder / "config.yaml").write_text(hostile.replace("{owned}", str(owned)))
        outcome = run(capsys, "transfer", f"runs={tmp_path / 'runs'}", "run=theirs")
        assert "hunter2" not in outcome.line
        with pytest.raises(UserError, match=r"not a YAML configuration|expected a value"):
            load_yaml(folder / "config.yaml")
    assert not owned.exists()


GLOBAL = "# @package _global_\n"
HYDRA = {
    "callbacks": "hydra: {callbacks: {evil: {_target_: os.system, command: 'touch OWNED'}}}",
    "a handler of the log": (
        "hydra: {job_logging: {version: 1, handlers: {evil: {class: subprocess.Popen, args: [touch, OWNED]}},"
        " root: {handlers: [evil]}}}"
    ),
    "a factory in the log": (
        "hydra: {hydra_logging: {version: 1, formatters: {evil: {'()': 'os.system', command: 'touch OWNED'}}}}"
    ),
    "a launcher's field": "hydra: {launcher: {setup: {_target_: os.system, command: 'touch OWNED'}}}",
    "a sweeper's settings": "hydra: {sweeper: {params: {trials: '1,2'}}}",
    "the environment of the job": "hydra: {job: {env_set: {PYTHONSTARTUP: OWNED}}}",
    "another launcher": "defaults: [{override /hydra/launcher: joblib}]",
    "the environment": "evaluator: {device: '${oc.env:HOME}'}",
    "a target": "controller: {_target_: os.system, command: 'touch OWNED'}",
    "a target in a list": "objective: {minimize: [{_target_: os.system, command: 'touch OWNED'}]}",
}


MESSAGE = {
    "the environment": "sets evaluator.device='.*', expected a value",
    "a target": "controller._target_='os.system': expected a name that starts",
    "a target in a list": "objective.minimize=.*expected a list",
    "a launcher's field": "experiment/evil.*'setup' not in",
}


@pytest.mark.parametrize(
    ("what", "sweep"),
    [*((what, False) for what in HYDRA), *((what, True) for what in ("callbacks", "a handler of the log", "a target"))],
)
def test_a_strangers_folder_of_settings_has_hydra_run_nothing(
    capsys: Capture, tmp_path: Path, owned: Path, what: str, sweep: bool
) -> None:
    theirs = tmp_path / "theirs" / "experiment"
    theirs.mkdir(parents=True)
    (theirs / "evil.yaml").write_text(GLOBAL + HYDRA[what].replace("OWNED", str(owned)))
    (theirs / "good.yaml").write_text(f"{GLOBAL}trials: 1\n")
    chosen = ("-m", "+experiment=good,evil") if sweep else ("+experiment=evil",)
    place = ("--config-dir", str(theirs.parent), f"runs={tmp_path / 'runs'}", f"hydra.sweep.dir={tmp_path / 'runs'}")
    outcome = run(capsys, "search", *chosen[:-1], *place, *SMALL, chosen[-1])
    assert outcome.code == (1 if sweep and what.startswith("a target") else 2)  # of a sweep the other job goes on
    assert re.search(MESSAGE.get(what, f"{theirs.parent}: sets hydra"), outcome.err)
    assert not owned.exists()


LOG = "version: 1\nhandlers: {file: {class: logging.FileHandler, filename: OWNED, mode: w}}\nroot: {handlers: [file]}\n"
GROUPS = {
    "the environment of the job": ("hydra/job/fast.yaml", "env_set: {NASTK_ALLOW_TARGETS: best}", "+hydra/job=fast"),
    "a log file": ("hydra/job_logging/evil.yaml", LOG, "hydra/job_logging=evil"),
    "nastk's own choice of a log": ("hydra/job_logging/none.yaml", LOG, "trials=1"),
    "Hydra's base": (
        "hydra/config.yaml",
        "callbacks: {evil: {_target_: os.system, command: 'touch OWNED'}}",
        "trials=1",
    ),
    "nastk's settings": ("search.yaml", "hydra: {searchpath: ['pkg://best']}", "trials=1"),
    "another place": ("log/evil.yaml", LOG, "+log@hydra.job_logging=evil"),
    "where outputs go": ("where/evil.yaml", GLOBAL + "hydra: {run: {dir: OWNED}}", "+where=evil"),
    "a launcher": ("hydra/launcher/mine.yaml", "defaults: [basic]\n", "hydra/launcher=mine"),
    "Hydra's own launcher": ("hydra/launcher/basic.yaml", "_target_: best.X\n", "trials=1"),
}


@pytest.mark.parametrize("what", GROUPS)
def test_hydras_own_groups_come_from_no_strangers_folder(
    capsys: Capture, tmp_path: Path, owned: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    monkeypatch.setenv(VARIABLE, "")
    theirs, (name, text, word) = tmp_path / "theirs", GROUPS[what]
    (theirs / name).parent.mkdir(parents=True)
    (theirs / name).write_text(text.replace("OWNED", str(owned)))
    owned.write_text("precious")
    (tmp_path / "best.py").write_text(f"import pathlib\npathlib.Path({str(owned)!r}).write_text('imported')\n")
    monkeypatch.syspath_prepend(tmp_path)
    outcome = run(capsys, "search", "--config-dir", str(theirs), f"runs={tmp_path / 'runs'}", *SMALL, word)
    assert re.search(rf"{theirs}.*(sets hydra|nastk and Hydra alone|replace nastk's own)", outcome.line)
    assert owned.read_text() == "precious"
    assert not (tmp_path / "runs").exists()


def test_what_the_job_sets_in_the_environment_allows_nothing(
    capsys: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, "")
    (tmp_path / "best.py").write_text("import pathlib\npathlib.Path(__file__).with_name('owned').touch()\n")
    monkeypatch.syspath_prepend(tmp_path)
    setting = f"+hydra.job.env_set.{VARIABLE}=best"
    outcome = run(capsys, "search", f"runs={tmp_path / 'runs'}", *SMALL, setting, "controller._target_=best.X")
    assert "allow_targets=[best] on the command line allows it" in outcome.line
    assert not (tmp_path / "owned").exists()


def test_a_launcher_of_ones_own_is_taken_once_the_command_line_allows_it(
    capsys: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, "")
    (tmp_path / "mine" / "hydra" / "launcher").mkdir(parents=True)
    (tmp_path / "mine" / "hydra" / "launcher" / "mine.yaml").write_text("defaults: [joblib]\nn_jobs: 1\n")
    place = ("--config-dir", str(tmp_path / "mine"), "-m", f"runs={tmp_path / 'runs'}", *SMALL)
    chosen = (f"hydra.sweep.dir={tmp_path / 'sweep'}", "hydra/launcher=mine")
    assert "allow_targets=[hydra.launcher]" in run(capsys, "search", *place, *chosen).line
    outcome = run(capsys, "search", *place, *chosen, "allow_targets=[hydra.launcher]")
    assert outcome.code == 0, outcome.err


def test_settings_of_ones_own_are_taken(capsys: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NASTK_STEM", "cifar")
    mine = tmp_path / "mine" / "experiment"
    mine.mkdir(parents=True)
    (mine / "good.yaml").write_text(f"{GLOBAL}evaluator: {{epochs: 2}}\n")
    place = (f"--config-dir={mine.parent}", f"runs={tmp_path / 'runs'}", "run=a")
    others = [word for word in SMALL if "epochs" not in word]
    outcome = run(capsys, "search", *place, *others, "+experiment=good", "evaluator.network.stem=${oc.env:NASTK_STEM}")
    assert outcome.code == 0, outcome.err
    assert load_yaml(tmp_path / "runs" / "a" / "config.yaml").evaluator.epochs == 2


@pytest.mark.parametrize(
    "option",
    ["--config-name=evil", "--config-path=/tmp", "--experimental-rerun=x.pickle", "hydra.searchpath=[pkg://os]"],
)
def test_what_replaces_nastks_own_configuration_is_not_taken(capsys: Capture, tmp_path: Path, option: str) -> None:
    assert "not taken" in run(capsys, "search", f"runs={tmp_path}", *SMALL, option).line


def test_a_class_of_ones_own_is_taken_once_the_command_line_allows_it(
    capsys: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, "")
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "my_spaces.py").write_text(
        "from nastk.spaces import NasBench201Space\nclass Mine(NasBench201Space): ...\n"
    )
    mine = ("+space=nasbench201", "space._target_=my_spaces.Mine", *SMALL[1:], f"runs={tmp_path / 'runs'}", "run=a")
    refused = run(capsys, "search", *mine)
    assert "allow_targets=[my_spaces] on the command line allows it" in refused.line
    assert "my_spaces" not in sys.modules
    (tmp_path / "theirs" / "experiment").mkdir(parents=True)
    (tmp_path / "theirs" / "experiment" / "evil.yaml").write_text(f"{GLOBAL}allow_targets: [my_spaces]\n")
    theirs = (f"--config-dir={tmp_path / 'theirs'}", "+experiment=evil")
    assert "nothing was run" in run(capsys, "search", theirs[0], *mine, theirs[1]).line
    assert run(capsys, "search", *mine, "allow_targets=[my_spaces]").code == 0
    monkeypatch.setenv(VARIABLE, "")
    assert "'a b', expected the name" in run(capsys, "search", *mine, "allow_targets=[a b]").line


def test_trust_is_of_whole_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "")
    trust(["json.decoder"])
    assert trusted_class("json.decoder.JSONDecoder", "data").__name__ == "JSONDecoder"
    with pytest.raises(UserError, match="nothing was run"):
        trusted_class("json.decoders.JSONDecoder", "data")
    with pytest.raises(UserError, match="nothing was run"):
        trusted_class("json.JSONEncoder", "data")


@pytest.mark.parametrize("umask", [0o077, 0o002])
def test_a_run_folder_has_the_permissions_that_the_user_asks_for(capsys: Capture, tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        assert run(capsys, "search", f"runs={tmp_path / 'runs'}", "run=a", *SMALL).code == 0
        assert run(capsys, "report", f"runs={tmp_path / 'runs'}", "run=a").code == 0
    finally:
        os.umask(before)
    paths = [tmp_path / "runs", *(tmp_path / "runs").rglob("*")]
    assert len(paths) > 10
    for path in paths:
        assert stat.S_IMODE(path.stat().st_mode) == (0o777 if path.is_dir() else 0o666) & ~umask, path


WATCH = """
import sys
def hook(event, args):
    if event in ("socket.bind", "socket.connect", "socket.getaddrinfo") and not isinstance(args[1], (str, bytes)):
        print("NETWORK", event, args[1:], file=sys.stderr)
sys.addaudithook(hook)
import nastk.search
nastk.search.main()
from pathlib import Path
mine = {link.readlink().name for link in Path("/proc/self/fd").iterdir() if link.is_symlink()}
for table in ("tcp", "tcp6", "udp", "udp6"):
    for line in Path("/proc/net", table).read_text().splitlines()[1:]:
        fields = line.split()
        if f"socket:[{fields[9]}]" in mine:
            print("NETWORK", table, fields[1], file=sys.stderr)
print("WATCHED")
"""


@pytest.mark.parametrize("executor", ["inline", pytest.param("processes", marks=pytest.mark.slow)])
def test_a_search_opens_no_port_and_asks_no_other_machine(tmp_path: Path, executor: str) -> None:
    words = (f"runs={tmp_path}", f"executor={executor}", *(("executor.parallel=1",) if executor != "inline" else ()))
    command = [sys.executable, "-c", WATCH, *SMALL, *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert "WATCHED" in done.stdout, done.stderr
    assert "NETWORK" not in done.stderr
