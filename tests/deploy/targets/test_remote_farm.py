"""Several machines measure the candidates of a search: each a folder with a Python of its own that says what it is."""

from __future__ import annotations

import json
import stat
import sys
import threading
import time
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from nastk.data.sources import Digits
from nastk.deploy.export.export import export_model
from nastk.deploy.export.export_settings import ExportSettings
from nastk.deploy.runtimes import farm, farm_member
from nastk.deploy.runtimes.remote_shell import SSH
from nastk.deploy.targets import RemoteTarget
from nastk.errors import UserError
from nastk.networks import NetworkConfig
from nastk.stats import steadiness
from nastk.study.measuring import Begun, CostsAtOnce
from tests.commands import run
from tests.deploy.digits import exported_digits
from tests.deploy.networks import genotype

CONFIG = NetworkConfig(cells=1, filters=8, classes=10, channels=1, size=8)
# What ssh is: the folder of that name runs the command; without one there is no way there.
SSH_TO = """#!/bin/bash
while [ "$1" != "--" ]; do shift; done
cd {boards}/"$2" 2>/dev/null || {{ echo "ssh: Could not resolve hostname $2" >&2; exit 255; }}
echo asked >> asked
env -i HOME=$PWD PATH=$PWD/bin:/usr/bin:/bin /bin/bash -c "$3"
"""
# A Python that takes its machine's identity, load and processor from beside it.
PYTHON = """import pathlib, runpy, sys
real, beside = pathlib.Path.read_text, pathlib.Path({board!r}, "facts")
told = dict(line.split("=", 1) for line in real(beside).splitlines())
def read_text(path, *args, **kwargs):
    said = told.get(str(path))
    return real(path, *args, **kwargs) if said is None else said.replace("|", chr(10))
pathlib.Path.read_text = read_text
sys.argv.pop(0)
runpy.run_path(sys.argv[0], run_name="__main__")
"""
BOOT, CPUINFO, LOAD = "/proc/sys/kernel/random/boot_id", "/proc/cpuinfo", "/proc/loadavg"


def board(boards: Path, name: str, **facts: str) -> None:
    folder = boards / name
    (folder / "bin").mkdir(parents=True, exist_ok=True)
    told = {BOOT: f"boot of {name}", LOAD: "0 0 0 1/9 9", **facts}
    (folder / "facts").write_text("".join(f"{path}={said}\n" for path, said in told.items()))
    (folder / "python.py").write_text(PYTHON.format(board=str(folder)))
    script = folder / "bin" / "python3"
    script.write_text(f'#!/bin/sh\nexec {sys.executable} {folder / "python.py"} "$@"\n')
    script.chmod(script.stat().st_mode | stat.S_IXUSR)


@pytest.fixture
def boards(tmp_path: Path, monkeypatch) -> Path:
    """Three boards, a, b and c, whose times on this one machine are taken for alike, however busy it is."""
    folder = tmp_path / "boards"
    for name in "abc":
        board(folder, name)
    program = tmp_path / "ssh"
    program.write_text(SSH_TO.format(boards=folder))
    program.chmod(0o755)
    monkeypatch.setenv(SSH, str(program))
    monkeypatch.setattr(farm_member, "LOCKS", tmp_path / "locks")
    monkeypatch.setattr(farm, "ALIKE", 1000.0)
    monkeypatch.setattr(farm, "REST_SECONDS", 0.0)
    for name in ("FAR", "MOST_SPREAD"):  # what makes a board one that rests is told by its facts alone
        monkeypatch.setattr(steadiness, name, 1000.0)
    return folder


def target(*hosts: str, **fields: object) -> RemoteTarget:
    return RemoteTarget(hosts=hosts, of="cpu", **{"seconds": 0.02, **fields})  # type: ignore[arg-type]


def test_candidates_are_measured_by_all_of_them_and_told_by_which(boards: Path) -> None:
    machines = target("a", "b", "c")
    assert machines.at_once == 3
    found = [machines.cost(genotype("nasbench201", 1), CONFIG) for _ in range(4)]
    assert {cost["latency_host"] for cost in found[1:]} == {0.0, 1.0, 2.0}
    assert all(cost["latency_ms"] > 0 for cost in found)


def test_a_search_goes_on_without_a_machine_that_is_gone(boards: Path, tmp_path: Path, capsys) -> None:
    space = ("+space=nasbench201", "data=digits", "controller=random", "trials=3", "evaluator.epochs=1")
    small = ("evaluator.network.cells=1", "evaluator.network.filters=4")
    remote = ("target=remote", "target.hosts=[a,gone,c]", "target.of=cpu", "target.seconds=0.02")
    ran = run(capsys, "search", *space, *small, *remote, "run=x", f"runs={tmp_path / 'runs'}")
    assert ran.code == 0, ran.err
    assert ran.err.count("remote gone: SSH does not get there (ssh: Could not resolve hostname gone)") == 1
    rows = [json.loads(line) for line in (tmp_path / "runs" / "x" / "trials.jsonl").read_text().splitlines()]
    assert len(rows) >= 3 and {row["metrics"]["latency_host"] for row in rows} <= {0.0, 2.0}
    assert OmegaConf.load(tmp_path / "runs" / "x" / "config.yaml").target.hosts == ["a", "gone", "c"]


def test_an_export_tells_which_machine_timed_it_and_what_all_are(boards: Path, tmp_path: Path, monkeypatch) -> None:
    exported_digits(tmp_path / "digits")
    machines, settings = target("a", "b"), ExportSettings(seconds=0.0)
    given = (tmp_path / "digits" / "transfer", tmp_path / "out", Digits(), settings, [machines])
    manifest = export_model(*given)
    found = manifest["targets"]["remote"]
    assert set(found["remote"]["hosts"]) == {"a", "b"} and found["remote"]["host"] in "ab"
    assert all(entry["latency_ms"]["p50"] > 0 for entry in found["precisions"].values())
    monkeypatch.setattr(RemoteTarget, "emit", lambda *given: pytest.fail("written anew, though nothing has changed"))
    assert export_model(*given)["source"] == manifest["source"]


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({BOOT: "boot of a"}, "target.hosts: a and b are one machine, expected different ones"),
        (
            {CPUINFO: "cpu family : 6|model name : Old|flags : avx2|"},
            "target.hosts: processor of a is .*, of b 'Old",
        ),
    ],
)
def test_twins_and_other_processors_are_refused_before_anything_is_done(
    boards: Path, tmp_path: Path, capsys, facts: dict[str, str], message: str
) -> None:
    board(boards, "b", **facts)
    with pytest.raises(UserError, match=message):
        target("a", "b").check()
    words = ("+space=nasnet", "run=x", f"runs={tmp_path / 'runs'}", "target=remote", "target.hosts=[a,b]")
    ran = run(capsys, "search", *words)
    assert ran.code == 2 and "target.hosts: " in ran.line and not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"hosts": ()}, "target.host: not given"),
        ({"hosts": ("a", "b"), "host": "c"}, r"target.host=c and target.hosts=\[a,b\] are given, expected one of them"),
        ({"hosts": ("a", "b", "a")}, "target.hosts: a is named twice, expected different machines"),
        ({"hosts": ("a", "-V")}, "host='-V', expected a name or address"),
        ({"hosts": tuple(f"h{number}" for number in range(257))}, "number of hosts=257, expected a whole number"),
    ],
)
def test_hosts_that_cannot_be(fields: dict, message: str) -> None:
    with pytest.raises(UserError, match=message):
        RemoteTarget(**fields)


@pytest.mark.slow  # some thirty files are measured
def test_candidates_are_brought_to_a_latency_by_all_of_them(boards: Path, tmp_path: Path, capsys) -> None:
    space = ("+space=mobile", "data=digits", "data.subset=100", "controller=random", "trials=2", "evaluator.epochs=1")
    limits = ("at_budget=true", "objective.max_latency_ms=0.2", "evaluator.threads=1")
    remote = ("target=remote", "target.hosts=[a,b]", "target.of=cpu", "target.seconds=0.02")
    ran = run(capsys, "search", *space, *limits, *remote, "run=x", f"runs={tmp_path / 'runs'}")
    assert ran.code == 0, ran.err
    rows = [json.loads(line) for line in (tmp_path / "runs" / "x" / "trials.jsonl").read_text().splitlines()]
    assert {row["metrics"]["latency_host"] for row in rows} <= {0.0, 1.0}
    asked = [len((boards / name / "asked").read_text()) for name in "ab"]
    assert min(asked) > 0.25 * max(asked), "both are given work"


REFUSES = """#!/bin/sh
echo 'nastk-remote:{"error": "numpy cannot be imported; install it there"}'
"""


def test_a_machine_that_hangs_is_not_waited_for_after_an_error_and_is_of_use_later(boards: Path, capsys) -> None:
    machines, cell = target("a", "b"), genotype("nasbench201", 1)
    machines.cost(cell, CONFIG)
    scripts = {name: boards / name / "bin" / "python3" for name in "ab"}
    usual = {name: script.read_text() for name, script in scripts.items()}
    scripts["a"].write_text(REFUSES)
    scripts["b"].write_text(f"#!/bin/sh\ntouch {boards}/hangs\nsleep 100\n")

    costs = CostsAtOnce(lambda one: machines.begin_cost(one, CONFIG), 2, machines.end)
    start, begun = time.monotonic(), Begun(costs)
    for number in range(2):
        begun.begin(number, lambda: costs.begin(cell))
        while number and not (boards / "hangs").exists():
            time.sleep(0.05)
    with pytest.raises(UserError, match="numpy cannot be imported"):
        begun.result(1)
    begun.close()
    assert not [one for one in threading.enumerate() if one.name.startswith("measuring") and one.is_alive()]
    assert time.monotonic() - start < 30
    for name, script in scripts.items():
        script.write_text(usual[name])
    assert {machines.cost(cell, CONFIG)["latency_host"] for _ in range(2)} == {0.0, 1.0}
    assert "left out" not in capsys.readouterr().err
