"""A network timed on another machine: by the same protocol as here, over a shell of its own and over a real sshd."""

from __future__ import annotations

import ast
import getpass
import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import onnxruntime
import pytest

from nastk.data.sources import Digits
from nastk.deploy.export.export import export_model
from nastk.deploy.export.export_settings import ExportSettings
from nastk.deploy.runtimes import latency, remote_machine, remote_measure, remote_runtimes, remote_timing
from nastk.deploy.runtimes.remote_ask import PARTS, Request, ask
from nastk.deploy.runtimes.remote_result import RemoteResult
from nastk.deploy.runtimes.remote_shell import SSH
from nastk.deploy.runtimes.session_options import session_options
from nastk.deploy.targets import CpuTarget, RemoteTarget, elsewhere
from nastk.errors import UserError
from nastk.networks import NetworkConfig
from nastk.stats.steadiness import others_running, untrusted
from tests.commands import run
from tests.deploy.digits import exported_digits
from tests.deploy.networks import genotype
from tests.deploy.ssh import SSHD, local_ssh, running_sshd

CONFIG = NetworkConfig(cells=1, filters=8, classes=10, channels=1, size=8)


@pytest.fixture(scope="module")
def export(tmp_path_factory) -> Path:
    return exported_digits(tmp_path_factory.mktemp("digits"))


@pytest.fixture
def board(tmp_path: Path, monkeypatch) -> Path:
    """The home folder of another machine."""
    monkeypatch.setenv(SSH, str(local_ssh(tmp_path / "ssh")))
    return tmp_path / "ssh" / "home"


def target(**fields: Any) -> RemoteTarget:
    return RemoteTarget(**{"host": "user@board", "of": "cpu", **fields})


def known() -> RemoteTarget:
    """A machine that said before what it is."""
    made = target()
    made.__dict__["_alone"] = RemoteResult({}, 1, {}, {"emulated": None})
    return made


def files(export: Path) -> list[Path]:
    return [export / "model.onnx", export / "model.int8.onnx"]


def test_the_script_measures_by_the_protocol_and_options_of_this_machine() -> None:
    for name in ("REPEATS", "TURN_SECONDS", "BLOCK", "LEAST_WARMUP", "NORMAL_95"):
        assert getattr(remote_measure, name) == getattr(latency, name), name
    here, there = session_options(3), remote_runtimes.options(3)
    for name in ("intra_op_num_threads", "inter_op_num_threads", "log_severity_level", "graph_optimization_level"):
        assert getattr(here, name) == getattr(there, name), name
    for name in ("session.set_denormal_as_zero", "session.force_spinning_stop"):
        assert here.get_session_config_entry(name) == there.get_session_config_entry(name) == "1"


def test_the_script_is_of_old_python_and_imports_nothing_of_ours_but_what_is_sent_beside_it() -> None:
    imported, beside = set(), set()
    for part in PARTS:
        for node in ast.walk(ast.parse(part.read_text(), feature_version=(3, 8))):
            if isinstance(node, ast.Import):
                imported |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                (beside if node.level else imported).add(node.module or "")
    runtimes = {*remote_runtimes.RUNTIMES, "torch", "numpy"}
    assert {name.partition(".")[0] for name in imported} - sys.stdlib_module_names == runtimes
    assert beside < {part.stem for part in PARTS}


@pytest.mark.parametrize("spread", [0.001, 0.01, 0.3])
def test_the_script_stops_a_candidate_as_this_machine_does(spread: float) -> None:
    times = [round(1e6 * (1 + spread * (index % 7))) for index in range(100)]
    for count in (5, 10, 30, 100):
        here = latency._uncertainty([time / 1e9 for time in times[:count]])
        assert remote_measure.uncertainty(times[:count]) == pytest.approx(here)


def test_files_are_timed_there_as_here(board: Path, export: Path) -> None:
    found = target().measure(files(export), runs=200, seconds=0.05)
    assert len(found) == 2
    for one in found:
        assert 0 < one.min_ms <= one.p50_ms <= one.p90_ms <= one.p99_ms and one.runs >= 200
        assert (one.batch, one.threads) == (1, 1)
    here = CpuTarget().measure(files(export), runs=200, seconds=0.05)
    for there, mine in zip(found, here, strict=True):
        assert 0.2 < there.min_ms / mine.min_ms < 5
    assert {path.name for path in board.iterdir() if not path.name.startswith(".")} == {"bin", "hosts"}


def test_a_machine_that_is_busy_is_asked_again_and_what_it_says_then_counts(monkeypatch) -> None:
    quiet, busy = (0.00172, 0.00173, 0.00173), (0.00172, 0.0098, 0.0098)
    machine = {"cores": 4}

    def answers(*series: tuple[float, ...], others: float | None = 0.0) -> Iterator[RemoteResult]:
        for one in series:
            yield RemoteResult(dict.fromkeys(("0.onnx", "candidate.onnx"), (one,) * 3), 1, {}, machine, others)

    def measured(said: Iterator[RemoteResult]) -> tuple[latency.Latency, int]:
        before = next(answers(quiet))
        monkeypatch.setattr(remote_timing, "ask", lambda host, how, asked: before if asked.quick else next(said))
        monkeypatch.setattr(elsewhere, "validate_model", lambda path: SimpleNamespace(data=b""))
        return known().measure([Path("a.onnx")])[0], len(list(said))

    found, left = measured(answers(busy, quiet, quiet))
    assert (found.p50_ms, found.doubt, left) == (1.73, None, 1)
    found, left = measured(answers(busy, busy, busy, quiet))
    assert (found.p50_ms, found.steady, left) == (9.8, False, 1)
    crowded, left = measured(answers(quiet, quiet, quiet, others=7.0))
    assert crowded.doubt == "7 others wanted to run on 4 cores" and left == 0
    said = answers(busy, busy, busy)
    monkeypatch.setattr(remote_timing, "ask", lambda *asked, **settings: next(said))
    cost = known().cost(genotype("nasbench201", 1), CONFIG)
    assert cost["latency_steady"] == 0.0 and cost["latency_ms"] == pytest.approx(9.8)


def test_a_machine_that_is_slowed_down_by_heat_is_not_trusted_however_steady_it_is(monkeypatch) -> None:
    hot = "it is hot: cpu-thermal is at 82 °C and slows it down from 80 °C on"
    steady = ((0.00172, 0.00173, 0.00173),) * 3
    answer = RemoteResult(dict.fromkeys(("0.onnx", "candidate.onnx"), steady), 1, {}, {"cores": 4}, 0.0, hot)
    monkeypatch.setattr(remote_timing, "ask", lambda *asked, **settings: answer)
    monkeypatch.setattr(elsewhere, "validate_model", lambda path: SimpleNamespace(data=b""))
    found = known().measure([Path("a.onnx")])[0]
    assert (found.steady, found.doubt) == (False, hot) and untrusted(hot) == f"not trustworthy: {hot}"
    assert known().cost(genotype("nasbench201", 1), CONFIG)["latency_steady"] == 0.0


def test_the_script_counts_what_wants_to_run_as_this_machine_does() -> None:
    here, there = others_running(), remote_machine.others_running()
    assert (here is None) == (there is None) and (there is None or there >= 0)


def test_batch_and_threads_are_those_asked_for(board: Path, export: Path) -> None:
    one, many = (target(batch=batch).measure(files(export)[:1], seconds=0.01)[0] for batch in (1, 64))
    assert many.batch == 64 and many.min_ms > 4 * one.min_ms
    threads = target(threads=0).measure(files(export)[:1], seconds=0.01)[0].threads
    assert threads == remote_machine.usable_cores()


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_a_candidate_costs_the_same_there_but_for_the_clock(board: Path, precision: str) -> None:
    there = target(precision=precision, seconds=0.1).cost(genotype("nasbench201", 1), CONFIG)
    here = CpuTarget(precision=precision, seconds=0.1).cost(genotype("nasbench201", 1), CONFIG)
    assert 0.1 < there.pop("latency_ms") / here.pop("latency_ms") < 10
    assert {there.pop("latency_steady"), here.pop("latency_steady")} <= {0, 1}  # as busy as the machine happens to be
    assert there == here


def test_an_export_holds_what_the_machine_is(board: Path, export: Path, tmp_path: Path) -> None:
    manifest = export_model(
        export.parent / "transfer", tmp_path / "out", Digits(), ExportSettings(seconds=0.0), [target()]
    )
    found = manifest["targets"]["remote"]
    assert found["remote"]["host"] == "user@board" and found["remote"]["machine"]["cores"] >= 1
    assert found["remote"]["versions"]["onnxruntime"] == onnxruntime.__version__ and found["note"] is None
    assert all(entry["latency_ms"]["p50"] > 0 and entry["accuracy"] > 0.8 for entry in found["precisions"].values())
    asked = (board / "hosts").read_text().count("\n")
    assert asked in (3, 4, 5), (
        "once for what it is, once for some runs, once for the latencies, and again where the machine was busy"
    )
    card = (tmp_path / "out" / "MODEL_CARD.md").read_text()
    processor = found["remote"]["machine"]["processor"]
    assert f"remote: latency of a batch of 1, on 1 thread(s) of {processor}" in card


def test_the_files_of_an_arm_board_are_written_scored_here_and_timed_there(board: Path, export, tmp_path: Path) -> None:
    arm = target(of="arm", precision="int8", seconds=0.05)
    settings = ExportSettings(seconds=0.0)
    manifest = export_model(export.parent / "transfer", tmp_path / "out", Digits(), settings, [arm])
    entry = manifest["targets"]["remote"]["precisions"]["int8"]
    assert entry["file"] == "model.arm.int8.onnx" and entry["accuracy"] > 0.8 and entry["latency_ms"]["p50"] > 0
    assert manifest["targets"]["remote"]["not_timed"] is None and manifest["targets"]["remote"]["remote"]["of"] == "arm"
    assert arm.cost(genotype("nasbench201", 1), CONFIG)["latency_ms"] > 0


OTHER = """import sys, types, runpy
import onnxruntime
onnxruntime.__version__ = "1.2.3"
sys.argv.pop(0)
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def other_version(board: Path) -> None:
    """Makes the machine one with another ONNX Runtime."""
    (board / "other.py").write_text(OTHER)
    (board / "bin" / "python3").write_text(f'#!/bin/sh\nexec {sys.executable} {board / "other.py"} "$@"\n')


def test_another_version_there_is_said_and_refused_where_one_is_set(board: Path, export: Path) -> None:
    other_version(board)
    note = target().facts(export)["note"]
    assert "ONNX Runtime 1.2.3" in note and onnxruntime.__version__ in note
    with pytest.raises(UserError, match=r"runs ONNX Runtime 1\.2\.3, target\.onnxruntime=1\.31\.1 is set"):
        target(onnxruntime="1.31.1").check()
    target(onnxruntime="1.2.3").check()


GPU = """import runpy, sys
import onnxruntime
opened, placed = onnxruntime.InferenceSession, onnxruntime.OrtValue.ortvalue_from_numpy
class Session:
    def __init__(self, model, options, providers):
        assert providers == [("CUDAExecutionProvider", {"use_tf32": "0"})]
        self.inner = opened(model, options, providers=["CPUExecutionProvider"])
        self.get_inputs, self.get_outputs = self.inner.get_inputs, self.inner.get_outputs
        self.get_providers = lambda: ["CUDAExecutionProvider"]
        self.run_with_iobinding = self.inner.run_with_iobinding
    def io_binding(self):
        binding = self.inner.io_binding()
        out = binding.bind_output
        binding.bind_output = lambda name, device: out(name, {"cuda": "cpu"}[device])
        return binding
onnxruntime.InferenceSession = Session
onnxruntime.OrtValue.ortvalue_from_numpy = lambda images, device, index: placed(images, {"cuda": "cpu"}[device], index)
onnxruntime.get_available_providers = lambda: ["CUDAExecutionProvider", "CPUExecutionProvider"]
sys.argv.pop(0)
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def test_the_files_of_a_gpu_are_timed_by_cuda_on_another_machine(board: Path, export: Path, tmp_path: Path) -> None:
    """The other machine only believes that it has a GPU."""
    (board / "gpu.py").write_text(GPU)
    (board / "bin" / "python3").write_text(f'#!/bin/sh\nexec {sys.executable} {board / "gpu.py"} "$@"\n')
    (board / "bin" / "nvidia-smi").write_text("#!/bin/sh\necho NVIDIA Orin\n")
    (board / "bin" / "nvidia-smi").chmod(0o755)
    machine = target(of="cuda", precision="fp16", seconds=0.05)
    out = tmp_path / "out"
    manifest = export_model(export.parent / "transfer", out, Digits(), ExportSettings(seconds=0.0), [machine])
    found = manifest["targets"]["remote"]
    assert list(found["precisions"]) == ["fp32", "fp16"] and found["gpu"] == "NVIDIA Orin"
    assert all(entry["latency_ms"]["p50"] > 0 and entry["accuracy"] > 0.8 for entry in found["precisions"].values())
    assert found["remote"]["machine"]["provider"] == "CUDAExecutionProvider"
    assert f"ONNX Runtime {onnxruntime.__version__} with CUDA, user@board on NVIDIA Orin" in (
        (out / "MODEL_CARD.md").read_text()
    )
    assert machine.cost(genotype("nasbench201", 1), CONFIG)["latency_ms"] > 0


def test_a_machine_without_cuda_is_told_so_before_anything_is_done(board: Path) -> None:
    with pytest.raises(UserError, match=r"remote user@board: .* has no CUDAExecutionProvider; install onnxruntime-gpu"):
        target(of="cuda").check()


def test_bench_records_the_machine_that_it_measured_on(board: Path, export: Path, tmp_path: Path, capsys) -> None:
    other_version(board)
    copy = shutil.copytree(export, tmp_path / "copy")
    ran = run(capsys, "bench", f"model={copy}", "target=remote", "target.host=b", "target.of=cpu", "bench.seconds=0.02")
    assert ran.code == 0, ran.err
    found = json.loads((tmp_path / "copy" / "bench.json").read_text())
    assert found["versions"]["onnxruntime"] == "1.2.3" and found["machine"]["cores"] >= 1
    assert [one["target"] for one in found["measurements"]] == ["remote", "remote"]


def test_without_a_host_the_command_line_says_what_to_give(export: Path, capsys) -> None:
    ran = run(capsys, "bench", f"model={export}", "target=remote")
    assert ran.line == (
        "nastk: target.host: not given, expected target.host=VALUE on the command line, "
        "or target.hosts=[A,B] for several"
    )
    assert ran.err.count("\n") == 1
    wrong = run(capsys, "bench", f"model={export}", "target=remote", "target.host=-V")
    assert "target: host='-V', expected a name or address" in wrong.line


def test_a_search_ends_before_it_begins_where_the_machine_cannot_measure(board: Path, tmp_path: Path, capsys) -> None:
    (board / "bin" / "python3").unlink()
    (board / "bin" / "python3").symlink_to("/bin/false")
    words = ("+space=nasnet", "run=x", f"runs={tmp_path / 'runs'}", "target=remote", "target.host=b")
    assert "remote b: measuring ended with exit code 1" in run(capsys, "search", *words).line
    assert not (tmp_path / "runs").exists()


def test_a_machine_without_onnxruntime_is_told_so_before_anything_is_done(board: Path) -> None:
    (board / "bin" / "python3").write_text(f'#!/bin/sh\nexec {sys.executable} -S -E "$@"\n')
    with pytest.raises(UserError, match=r"remote user@board: numpy cannot be imported by .*; install it there"):
        target().check()


def test_a_file_that_differs_after_the_copy_is_not_timed(tmp_path: Path, monkeypatch, export: Path) -> None:
    flip = tmp_path / "flip.py"
    flip.write_text(
        "import sys\ndata = bytearray(sys.stdin.buffer.read())\ndata[-20480] ^= 1\nsys.stdout.buffer.write(data)\n"
    )
    monkeypatch.setenv(SSH, str(local_ssh(tmp_path / "ssh", before=f"{sys.executable} {flip} |")))
    with pytest.raises(UserError, match=r"remote user@board: [01]\.onnx: its SHA-256 differs after the copy"):
        target().measure(files(export), seconds=0.01)


def test_a_model_that_the_machine_cannot_run_is_told(board: Path) -> None:
    with pytest.raises(UserError, match=r"remote user@board: ONNX Runtime .* cannot run the model"):
        ask("user@board", target()._how, Request({"0.onnx": b"no model"}, seconds=0.01, runs=200))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"host": "-oProxyCommand=x"}, "host='-oProxyCommand=x', expected a name or address"),
        ({"of": "amr"}, "unknown target in target.of 'amr'; nearest is"),
        ({"of": "tensorrt", "batch": 65}, "batch=65, expected a whole number from 1 to 64"),
        ({"precision": "fp16"}, "unknown precision of target"),
        ({"of": "cuda", "precision": "int8"}, "unknown precision of target cuda 'int8'"),
        ({"of": "cuda", "threads": -1}, "threads=-1"),
        ({"threads": -1}, "threads=-1"),
        ({"timeout": 0}, "timeout=0, expected a whole number from 1"),
        ({"python": "-c x"}, "python='-c x'"),
        ({"python": ""}, "python=''"),
    ],
)
def test_bad_settings(fields: dict, message: str) -> None:
    with pytest.raises(UserError, match=message):
        RemoteTarget(**{"host": "board", **fields})


def test_over_a_real_sshd(tmp_path: Path, monkeypatch, export: Path) -> None:
    if not Path(SSHD).exists() or shutil.which("ssh") is None:
        pytest.skip("no sshd or ssh here")
    user = getpass.getuser()
    with running_sshd(tmp_path) as ssh:
        monkeypatch.setenv(SSH, ssh)
        machine = target(host=f"{user}@127.0.0.1", python=sys.executable)
        machine.check()
        found = machine.measure(files(export), seconds=0.02)
        assert all(one.p50_ms > 0 and one.runs >= 200 for one in found)
        monkeypatch.setenv(SSH, ssh.replace("known", "unknown"))
        with pytest.raises(UserError, match=r"SSH does not get there \(Host key verification failed"):
            machine.measure(files(export))
