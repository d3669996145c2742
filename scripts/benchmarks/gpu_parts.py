"""The parts of what is proven on a GPU: what each needs, its commands, and the dated report that it writes."""

from __future__ import annotations

import importlib
import json
import os
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BENCHMARKS = Path(__file__).resolve().parent
RUN = "search"
GPU_TESTS = (
    "tests/deploy/targets/test_cuda.py",
    "tests/deploy/targets/test_tensorrt.py",
    "tests/deploy/runtimes/test_tensorrt_engine.py",
    "tests/deploy/runtimes/test_gpu_session.py",
    "tests/training/kernels/test_graphed.py",
)
Command = list[str]


@dataclass(frozen=True)
class Place:
    """Where a proof lies.

    Attributes:
        work: folder of its runs, logs and of what is done.
        data: folder of cifar10/.
        reports: folder of the dated reports.
        date: of the reports.
    """

    work: Path
    data: Path
    reports: Path
    date: str

    def trained(self) -> Path:
        """Returns the folder of the network that the search's transfer trained, or of one to come."""
        found = sorted((self.work / RUN / "transfer").glob("*/model.safetensors"))
        return found[0].parent if found else self.work / RUN / "transfer" / "KEY"

    def accuracy(self) -> str | None:
        """Returns what the transfer's network reaches on the test images, None where there is none yet."""
        path = self.trained() / "metrics.json"
        return f"{json.loads(path.read_text())['accuracy']:.4f}" if path.exists() else None

    def report(self, name: str) -> str:
        """Returns the path of a report of today."""
        return str(self.reports / f"{self.date}-{name}.md")


@dataclass(frozen=True)
class Part:
    """One part of the proof, of at most ten minutes.

    Attributes:
        says: what it shows.
        commands: made when it begins, since what earlier parts trained is in them.
        needs: names in `NEEDS`.
        after: parts that have to be done before.
    """

    says: str
    commands: Callable[[Place], Sequence[Command]]
    needs: tuple[str, ...] = ()
    after: tuple[str, ...] = ()


def _nastk(place: Place, command: str, *words: str) -> Command:
    return [sys.executable, "-m", f"nastk.{command}", f"run={RUN}", f"runs={place.work}", *words]


def _script(name: str, *words: object) -> Command:
    return [sys.executable, str(BENCHMARKS / f"{name}.py"), *map(str, words)]


def _rows(place: Place, name: str) -> list[object]:
    return ["--work", place.work / name]


def _engines(place: Place, *words: str) -> Command:
    return _script("tensorrt_engines", "--model", place.trained(), "--data", "cifar10", *words)


PARTS: Mapping[str, Part] = {
    "tests": Part(
        "the tests that a machine without a GPU skips",
        lambda place: [[sys.executable, "-m", "pytest", "-n", "0", "-q", *GPU_TESTS]],
    ),
    "training": Part(
        "training in bf16, with and without CUDA graphs; 1, 2 and 4 candidates side by side",
        lambda place: [_script("training", "--gpu", "--rounds", 3, *_rows(place, "training"), "--out", place.reports)],
    ),
    "many": Part(
        "many small networks at once: stacked and mapped (vmap), on streams, one after another",
        lambda place: [_script("gpu_many", *_rows(place, "many"), "--out", place.report("gpu-many"))],
    ),
    "precision": Part(
        "bf16 as accurate as fp32: pairs of trainings on CIFAR-10",
        lambda place: [
            _script(
                *("precision", "--data", place.data, "--work", place.work / "precision", "--sets", "cifar10"),
                *("--parts", "train", "--device", "cuda", "--out", place.report("gpu-precision")),
            )
        ],
        needs=("cifar10",),
    ),
    "ddp": Part(
        "DDP with NCCL on 1 to n GPUs",
        lambda place: [_script("gpu_ddp", "--work", place.work / "ddp", "--out", place.report("gpu-ddp"))],
        needs=("cifar10",),
    ),
    "search": Part(
        "a search on CIFAR-10 whose candidates are trained and timed on the GPU",
        lambda place: [
            _nastk(
                *(place, "search", "+space=nasnet", "data=cifar10", "data.subset=10000", "trials=12", "target=cuda"),
                *("evaluator.network.filters=16", "evaluator.epochs=3"),
            )
        ],
        needs=("cifar10",),
    ),
    "transfer": Part(
        "the best cell trained on all of CIFAR-10, and its export for cuda, in fp32 and fp16",
        lambda place: [
            _nastk(place, "transfer", "baselines=[]", "transfer.cells=2", "transfer.filters=32", "training.epochs=15"),
            _nastk(place, "export", "target=cuda"),
            _nastk(place, "report"),
        ],
        needs=("cifar10",),
        after=("search",),
    ),
    "cuda": Part(
        "the files of target cuda by onnxruntime-gpu or torch: accuracy, agreement, latency",
        lambda place: [_engines(place, "--without-tensorrt", "--out", place.report("cuda"))],
        needs=("cifar10",),
        after=("transfer",),
    ),
    "engines": Part(
        "TensorRT engines built, scored and timed, as one CUDA graph and launch by launch",
        lambda place: [_engines(place, "--out", place.report("tensorrt"))],
        needs=("cifar10", "tensorrt"),
        after=("transfer",),
    ),
    "trtexec": Part(
        "an export for tensorrt, whose build_engine.sh builds engines by trtexec",
        lambda place: [
            _nastk(place, "export", "target=tensorrt"),
            ["sh", str(place.work / RUN / "export" / place.trained().name / "build_engine.sh")],
        ],
        needs=("cifar10", "trtexec"),
        after=("transfer",),
    ),
}


def missing_gpu() -> str | None:
    """Returns in one line why there is no GPU, or None."""
    from nastk.deploy.runtimes.gpu import missing_gpu

    return missing_gpu()


def file_runtime() -> str:
    """Returns what runs files of target cuda here, if there is a GPU."""
    from nastk.deploy.runtimes.gpu_session import runtime_name

    return runtime_name()


def _missing_cifar10(place: Place) -> str | None:
    folder = place.data / "cifar10"
    return None if folder.is_dir() else f"{folder} is not there; --data DIR names the folder of cifar10/"


def _missing_tensorrt(place: Place) -> str | None:
    tensorrt = importlib.import_module("nastk.deploy.targets.tensorrt")
    found: str | None = tensorrt.missing_tensorrt()
    return found


def _missing_trtexec(place: Place) -> str | None:
    named = os.environ.get("TRTEXEC") or shutil.which("trtexec") or "/usr/src/tensorrt/bin/trtexec"
    return None if Path(named).exists() else f"{named} is not there; TRTEXEC=PATH names it"


NEEDS: Mapping[str, Callable[[Place], str | None]] = {
    "cifar10": _missing_cifar10,
    "tensorrt": _missing_tensorrt,
    "trtexec": _missing_trtexec,
}
