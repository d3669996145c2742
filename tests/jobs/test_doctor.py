"""What nastk doctor finds, and what it says of what is not there."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from nastk.config.build import shipped
from nastk.data.sources import SOURCES
from nastk.data.sources.standard import StandardSource
from nastk.jobs import doctor
from nastk.jobs.machine import cores, gpus
from nastk.processor import bf16_sets, processor_name
from tests.commands import run
from tests.test_free_memory import written

Capture = pytest.CaptureFixture[str]


def test_its_packages_are_those_of_the_project() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]

    def names(lines: list[str]) -> tuple[str, ...]:
        return tuple(re.split(r"[\[>]", line)[0] for line in lines)

    extras = {extra: names(lines) for extra, lines in project["optional-dependencies"].items() if extra != "dev"}
    assert {extra: packages for extra, (packages, _) in doctor.EXTRAS.items()} == extras
    assert set(doctor.CORE) == set(names(project["dependencies"]))
    assert set(doctor.STANDARD_SETS) == {name for name, kind in SOURCES.items() if issubclass(kind, StandardSource)}
    assert all((shipped("conf") / "data" / f"{name}.yaml").exists() for name in doctor.STANDARD_SETS)


def test_it_tells_what_is_there_and_what_to_install(
    capsys: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cifar-10" / "x").mkdir(parents=True)
    (tmp_path / "fashion-mnist").mkdir()
    (tmp_path / "fashion-mnist" / "x").touch()
    monkeypatch.setenv("NASTK_DATA", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(doctor, "_version", lambda name: None if name in ("wandb", "scipy") else "1.2.3")
    (tmp_path / "file").touch()
    told = run(capsys, "doctor", f"runs={tmp_path / 'file' / 'runs'}")
    assert told.code == 0
    lines = [line.split(maxsplit=2) for line in told.out.splitlines() if line.startswith("  ")]
    found = {name: (there, text) for there, name, text in lines}
    assert found["wandb"] == ("no", "logger=wandb; pip install 'nastk[wandb]'")
    assert found["ray"][0] == "yes" and found["ray"][1].endswith("; ray 1.2.3")
    assert found["others"] == ("no", "missing: scipy; pip install --force-reinstall nastk")
    assert found["fashion_mnist"] == ("yes", str(tmp_path / "fashion-mnist"))
    assert found["cifar10"][0] == "no"
    assert found["runs"][0] == "no" and "cannot be written" in found["runs"][1]
    assert found["onnxruntime"][0] == "yes" and "CPU" in found["onnxruntime"][1]
    there = {path.name for path in tmp_path.iterdir()} - {".cache"}  # of libraries that other tests load
    assert there == {"cifar-10", "fashion-mnist", "file"}


def test_a_machine_is_read_as_its_files_have_it(tmp_path: Path) -> None:
    files = {
        "proc/cpuinfo": "processor : 0\nmodel name : Fast CPU\nflags : fma amx_bf16 avx512_bf16\n\nprocessor : 1\n",
        "proc/self/cgroup": "0::/jobs\n",
        "sys/fs/cgroup/jobs/cpu.max": "100000 100000\n",
    }
    root = written(tmp_path, files)
    assert (processor_name(root), bf16_sets(root), cores(root)) == ("Fast CPU", ["AVX512_BF16", "AMX"], 1)
    (tmp_path / "proc" / "cpuinfo").write_text("processor : 0\nFeatures : asimd bf16\n")
    assert bf16_sets(root) == ["ARM BF16"]
    assert bf16_sets(tmp_path / "nowhere") == []


@pytest.mark.parametrize(
    ("script", "found"),
    [
        ("echo 'NVIDIA H100, 81559 MiB, 580.1'", ["NVIDIA H100, 81559 MiB, 580.1"]),
        ("echo broken; exit 9", []),
        ("sleep 9", []),
    ],
)
def test_gpus_are_those_that_the_driver_tells_of_in_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, found: list[str]
) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text(f"#!/bin/sh\n{script.replace('sleep', 'exec /bin/sleep')}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("nastk.jobs.machine.SECONDS", 0.5)
    assert gpus() == found


def test_a_gpu_that_torch_was_not_built_for_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "gpus", lambda: ["NVIDIA H100"])
    monkeypatch.setattr(doctor, "_torch_cuda", lambda: None)
    assert not doctor._gpu().there and "built without CUDA" in doctor._gpu().text
    monkeypatch.setattr(doctor, "_torch_cuda", lambda: "12.8")
    assert doctor._gpu().there


def test_the_cuda_of_torch_is_what_torch_says() -> None:
    import torch

    assert doctor._torch_cuda() == torch.version.cuda
