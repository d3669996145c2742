"""Files of other runtimes than ONNX Runtime, timed on another machine by the runtime that is there."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy
import pytest

from nastk.deploy.emittable import Emittable, emittable
from nastk.deploy.runtimes import remote_runtimes
from nastk.deploy.runtimes.remote_ask import Request, ask
from nastk.deploy.runtimes.remote_shell import SSH
from nastk.deploy.targets import RemoteTarget
from nastk.deploy.targets.remote import OF
from nastk.errors import UserError
from nastk.networks import NetworkConfig
from tests.deploy.networks import genotype, small
from tests.deploy.ssh import local_ssh
from tests.marks import mostly_slow

SIZE = 12
CONFIG = NetworkConfig(cells=1, filters=4, classes=4, size=SIZE)
OTHERS = ("openvino", "litert", "executorch")
# ExecuTorch compiles for half a minute.
each = pytest.mark.parametrize("of", mostly_slow(OTHERS, usual=("openvino", "litert")))


@pytest.fixture(scope="module")
def source() -> Emittable:
    images = numpy.random.default_rng(0).standard_normal((8, 3, SIZE, SIZE), dtype=numpy.float32)
    return emittable(small(), NetworkConfig(classes=4, size=SIZE), "abc", images)


@pytest.fixture
def home(tmp_path: Path, monkeypatch) -> Path:
    monkeypatch.setenv(SSH, str(local_ssh(tmp_path / "ssh")))
    return tmp_path / "ssh" / "home"


def target(of: str, **fields: object) -> RemoteTarget:
    made = RemoteTarget("board", of=of, **{"seconds": 0.05, **fields})  # type: ignore[arg-type]
    try:
        OF[of]().check()
    except UserError as error:
        pytest.skip(str(error))
    return made


@each
def test_files_are_timed_there_as_here(home: Path, of: str, source: Emittable, tmp_path: Path) -> None:
    machine, here = target(of), OF[of]()
    machine.check()
    machine.emit(source, tmp_path)
    paths = [tmp_path / file for file in machine.files.values()]
    found, mine = (one.measure(paths, runs=200, seconds=0.05) for one in (machine, here))
    for there, same in zip(found, mine, strict=True):
        assert there.runs >= 200 and 0.2 < there.min_ms / same.min_ms < 5
    facts = machine.facts(tmp_path)
    assert facts["remote"]["versions"][machine.runtime] and facts["note"] is None
    assert facts["remote"]["of"] == of and machine.cannot_time() is None


@each
def test_a_candidate_costs_the_same_there_but_for_the_clock(home: Path, of: str) -> None:
    cell = genotype("nasbench201", 1)
    there, here = (one.cost(cell, CONFIG) for one in (target(of), OF[of](seconds=0.05)))
    assert 0.1 < there.pop("latency_ms") / here.pop("latency_ms") < 10
    assert {there.pop("latency_steady"), here.pop("latency_steady")} <= {0, 1}
    assert there == here


@pytest.mark.parametrize("of", OTHERS)
def test_a_runtime_that_is_missing_is_told(home: Path, of: str, tmp_path: Path) -> None:
    packages = tmp_path / "packages"
    packages.mkdir()
    for part in Path(numpy.__file__).parents[1].glob("numpy*"):
        (packages / part.name).symlink_to(part)
    (home / "bin" / "python3").write_text(f'#!/bin/sh\nPYTHONPATH={packages} exec {sys.executable} -S "$@"\n')
    runtime = OF[of].runtime
    with pytest.raises(UserError, match=rf"remote board: {runtime} cannot be imported by .*; install it there"):
        target(of).check()


@each
def test_a_file_that_the_runtime_cannot_run_is_told_in_one_line(home: Path, of: str) -> None:
    machine = target(of)
    name = remote_runtimes.RUNTIMES[machine.runtime][0]
    with pytest.raises(UserError, match=rf"remote board: {name} [\d.]+\S* cannot run the model \(.+\)$") as info:
        ask("board", machine._how, Request({"0": b"no model" * 20}, seconds=0.01, runs=200))
    assert len(str(info.value)) < 400


@pytest.mark.parametrize(("of", "file"), [("openvino", "model.tflite"), ("executorch", "model.onnx")])
def test_a_file_of_another_runtime_is_refused_before_it_is_sent(home: Path, of: str, file: str, tmp_path: Path) -> None:
    (tmp_path / file).write_bytes(b"")
    with pytest.raises(UserError, match=rf"{file}: expected a file of target\.of={of}, \*\.(onnx|pte)"):
        target(of).measure([tmp_path / file])
    assert not (home / "hosts").exists()


def test_another_version_there_is_said_and_refused_where_one_is_set(home: Path, source, tmp_path: Path) -> None:
    machine = target("openvino")
    (tmp_path / "other.py").write_text(
        "import importlib.metadata as known, runpy, sys\nreal = known.version\n"
        "known.version = lambda name: '2024.1' if name == 'openvino' else real(name)\n"
        "sys.argv.pop(0)\nrunpy.run_path(sys.argv[0], run_name='__main__')\n"
    )
    (home / "bin" / "python3").write_text(f'#!/bin/sh\nexec {sys.executable} {tmp_path / "other.py"} "$@"\n')
    machine.emit(source, tmp_path)
    assert "timed by OpenVINO 2024.1 on board, scored by" in str(machine.facts(tmp_path)["note"])
    with pytest.raises(UserError, match=r"runs OpenVINO 2024\.1, target\.onnxruntime=2026\.4 is set"):
        target("openvino", onnxruntime="2026.4").check()


def test_more_threads_than_here_may_be_there() -> None:
    assert RemoteTarget("board", of="openvino", threads=64).threads == 64
    with pytest.raises(UserError, match="batch=4, expected 1"):
        RemoteTarget("board", of="litert", batch=4)
    with pytest.raises(UserError, match=r"unknown target in target\.of 'lite'; nearest is 'litert'"):
        RemoteTarget("board", of="lite")
