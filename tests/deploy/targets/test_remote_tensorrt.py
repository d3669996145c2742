"""TensorRT engines built and timed on another machine, by a trtexec that only looks like NVIDIA's: no GPU is here."""

from __future__ import annotations

import getpass
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy
import pytest

from nastk.deploy.emittable import emittable
from nastk.deploy.runtimes import remote_trtexec
from nastk.deploy.runtimes.engine_file import EngineSettings
from nastk.deploy.runtimes.remote_ask import PACKAGE, PROGRAM, Conditions, Request, plan_of, sent_files
from nastk.deploy.runtimes.remote_shell import SSH, HostFailed
from nastk.deploy.runtimes.remote_trtexec import PROVIDER
from nastk.deploy.runtimes.suspects import FileFailed
from nastk.deploy.runtimes.trtexec import options_there
from nastk.deploy.targets import RemoteTarget, TensorrtTarget
from nastk.errors import UserError
from nastk.networks import NetworkConfig
from tests.deploy import trtexec
from tests.deploy.networks import genotype, small
from tests.deploy.ssh import SSHD, local_ssh, running_sshd

SIZE = 12
CONFIG = NetworkConfig(cells=1, filters=4, classes=4, size=SIZE)
P50 = trtexec.MILLISECONDS * 1.003
KEPT = Path(".cache", "nastk", "engines")


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> list[Path]:
    """The graphs in float32, float16 and int8."""
    folder = tmp_path_factory.mktemp("tensorrt")
    images = numpy.random.default_rng(0).standard_normal((8, 3, SIZE, SIZE), dtype=numpy.float32)
    target().emit(emittable(small(), NetworkConfig(classes=4, size=SIZE), "abc", images), folder)
    return [folder / name for name in TensorrtTarget.files.values()]


@pytest.fixture
def home(tmp_path: Path, monkeypatch) -> Path:
    """The home folder of another machine, in whose PATH trtexec is."""
    monkeypatch.setenv(SSH, str(local_ssh(tmp_path / "ssh")))
    home = tmp_path / "ssh" / "home"
    trtexec.install(home / "bin")
    return home


def target(**fields: object) -> RemoteTarget:
    return RemoteTarget(**{"host": "board", "of": "tensorrt", "seconds": 0.05, **fields})  # type: ignore[arg-type]


def test_engines_are_built_once_there_and_timed_as_a_cuda_graph(home: Path, files: list[Path]) -> None:
    program, machine = home / "bin" / "trtexec", target()
    machine.check()
    found = machine.measure(files, runs=200, seconds=0.3)
    assert [one.p50_ms for one in found] == pytest.approx([P50] * 3, rel=1e-3)
    assert all(one.min_ms <= one.p50_ms <= one.p90_ms <= one.p99_ms and one.runs >= 200 for one in found)
    built, timed = trtexec.calls(program, "--onnx"), trtexec.calls(program, "--loadEngine")
    assert len(built) == 3 and len(timed) == 9, "each file once, then in three repeats in turn"
    wanted = {"--useCudaGraph": "", "--noDataTransfers": "", "--shapes": "image:1x3x12x12"}
    assert all(wanted.items() <= one.items() for one in timed)
    assert all("--stronglyTyped" in one and one["--optShapes"] == "image:1x3x12x12" for one in built)
    assert len(list((home / KEPT).glob("*.engine"))) == 3
    machine.measure(files, seconds=0.1)
    assert len(trtexec.calls(program, "--onnx")) == 3, "the same file is not built twice"


def test_what_timed_them_is_told(home: Path, files: list[Path]) -> None:
    machine = target()
    machine.measure(files[:1], seconds=0.05)
    facts, (about, versions) = machine.facts(files[0].parent), machine.measured_on()
    assert facts["run_by"] == "TensorRT 10.16.0, board" and facts["gpu"] == about["gpu"] == trtexec.GPU
    assert versions["tensorrt"] == "10.16.0" and machine.timed_by() == {"tensorrt": "10.16.0"}
    assert "target remote: timed by TensorRT 10.16.0 on board, scored by ONNX Runtime" in facts["note"]


@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
def test_a_candidate_is_timed_in_its_precision(home: Path, precision: str) -> None:
    machine = target(precision=precision)
    cost = machine.cost(genotype("nasbench201", 1), CONFIG)
    assert cost["latency_ms"] == pytest.approx(P50, rel=1e-3) and cost["latency_steady"] == 1
    assert cost["params"] > 0 and len(trtexec.calls(home / "bin" / "trtexec", "--onnx")) == 1


def test_an_engine_that_cannot_be_run_any_more_is_built_anew(home: Path, files: list[Path]) -> None:
    target().measure(files[:1], seconds=0.05)
    (kept,) = (home / KEPT).glob("*.engine")
    kept.write_text("cut")
    assert target().measure(files[:1], seconds=0.05)[0].p50_ms > 0
    assert len(trtexec.calls(home / "bin" / "trtexec", "--onnx")) == 2 and kept.read_text() != "cut"
    trtexec.install(home / "bin", version=110100)
    assert target().measure(files[:1], seconds=0.05)[0].p50_ms > 0, "of TensorRT 11 another engine is kept"
    assert len(list((home / KEPT).glob("*.engine"))) == 2


def test_no_more_engines_are_kept_than_there_is_room_for(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    folder = remote_trtexec._cache(tmp_path)
    for number in range(40):
        (folder / f"{number}.engine").write_text("")
    assert len(list(remote_trtexec._cache(tmp_path).glob("*.engine"))) == remote_trtexec.MOST_ENGINES - 1
    monkeypatch.setenv("XDG_CACHE_HOME", "/dev/null")
    assert remote_trtexec._cache(tmp_path) == tmp_path, "where none can be kept, they are built each time"


def test_an_engine_that_there_is_no_room_for_leaves_nothing(tmp_path: Path, monkeypatch) -> None:
    made, kept = tmp_path / "made", tmp_path / "kept.engine"
    made.write_text("engine")

    def full(source: str, target: str) -> None:
        Path(target).write_text("eng")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(remote_trtexec.shutil, "copyfile", full)
    assert not remote_trtexec._moved(made, kept)
    assert [path.name for path in tmp_path.iterdir()] == ["made"]


def test_what_runs_there_ends_when_nobody_reads_its_answer(tmp_path: Path) -> None:
    program, begun = tmp_path / "trtexec", tmp_path / "begun"
    program.write_text(f"#!/bin/sh\necho $$ >{begun}.part; mv {begun}.part {begun}; exec sleep 60\n")
    program.chmod(0o755)
    how = Conditions(sys.executable, "tensorrt", PROVIDER, batch=1, threads=1, timeout=60, trtexec=str(program))
    (tmp_path / PACKAGE).mkdir()
    for name, content in sent_files(plan_of(how, Request()), {}).items():
        (tmp_path / name).write_bytes(content)
    command = [sys.executable, str(tmp_path / PROGRAM), str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as there:
        while not begun.exists():
            assert there.poll() is None
            time.sleep(0.01)
        assert there.stdout is not None
        there.stdout.close()  # as when ssh was ended here
        assert there.wait(30) == 1
    with pytest.raises(ProcessLookupError):
        os.kill(int(begun.read_text()), 0)


@pytest.mark.parametrize(
    ("behaviour", "error", "message"),
    [
        ({"version": 8601}, UserError, r"TensorRT 8\.6\.1 is too old, expected 10 or later \(.*trtexec\)"),
        (
            {"fails": "parser"},
            FileFailed,
            r"TensorRT 10\.16\.0: trtexec fails \(While parsing node number 2 \[Foo -> \"y\"\]: \[6\] creator && "
            r"\"Plugin not found, are the plugin name, version, and namespace correct\?\"\)",
        ),
        (
            {"fails": "killed"},
            HostFailed,
            r"TensorRT 10\.16\.0: trtexec was ended by signal 9, its output is cut short \(Timing",
        ),
        ({"fails": "no times"}, HostFailed, r"trtexec exported no times of its runs, its output is cut short"),
        ({"fails": "other median"}, HostFailed, r"trtexec printed a median of 2\.5075 ms, its runs have 1\.25375 ms"),
    ],
)
def test_what_goes_wrong_there_is_one_line(
    home: Path, files: list[Path], behaviour: dict[str, object], error: type[UserError], message: str
) -> None:
    trtexec.install(home / "bin", **behaviour)
    with pytest.raises(UserError, match=f"^remote board: {message}") as info:
        target().measure(files[:1], seconds=0.05)
    assert type(info.value) is error and len(str(info.value).splitlines()) == 1 and str(info.value).isprintable()


def test_a_machine_without_trtexec_is_told_so_before_anything_is_done(home: Path) -> None:
    (home / "bin" / "trtexec").unlink()
    with pytest.raises(UserError, match=r"remote board: no trtexec in PATH and none at /usr/src/tensorrt/bin/trtexec;"):
        target().check()
    with pytest.raises(UserError, match=r"there is no program '/opt/trtexec'; target\.trtexec=PATH names where"):
        target(trtexec="/opt/trtexec").check()
    with pytest.raises(UserError, match=r"/bin/true does not say which TensorRT it is of \("):
        target(trtexec="/bin/true").check()
    with pytest.raises(UserError, match=r"target: trtexec='-x', expected the name or path of a program"):
        target(trtexec="-x")


@pytest.mark.parametrize("version", ["10.16", "11.1"])
def test_every_option_is_one_of_trtexec(version: str) -> None:
    known = trtexec.known_options(version)
    options = options_there((3, 32, 32), EngineSettings((1, 2, 4), "ampere_plus", True))
    own = ["--onnx=", "--saveEngine=", "--timingCacheFile=", "--skipInference", "--loadEngine=", "--warmUp="]
    own += ["--duration=", "--iterations=", "--exportTimes=", "--help"]
    for option in (*options["build"], *options["time"], *own):
        name, equals, _ = option.partition("=")
        assert name + equals in known, option


def test_over_a_real_sshd(tmp_path: Path, monkeypatch, files: list[Path]) -> None:
    if not Path(SSHD).exists() or shutil.which("ssh") is None:
        pytest.skip("no sshd or ssh here")
    program = trtexec.install(tmp_path)
    with running_sshd(tmp_path, SetEnv=f"XDG_CACHE_HOME={tmp_path / 'cache'}") as ssh:
        monkeypatch.setenv(SSH, ssh)
        place = f"{getpass.getuser()}@127.0.0.1"
        machine = target(host=place, python=sys.executable, trtexec=str(program))
        machine.check()
        for _ in range(2):
            assert all(one.p50_ms == pytest.approx(P50, abs=1e-4) for one in machine.measure(files, seconds=0.1))
        assert len(trtexec.calls(program, "--onnx")) == 3
        assert len(list((tmp_path / "cache" / "nastk" / "engines").glob("*.engine"))) == 3
        assert machine.facts(files[0].parent)["run_by"] == f"TensorRT 10.16.0, {place}"
