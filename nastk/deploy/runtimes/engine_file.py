"""TensorRT engine files: how one is to be built, what it was built for, and which may be loaded.

An engine is machine code, and a version-compatible one holds code for the CPU too: only engines that this process
built, or whose hash an export's manifest holds, are handed to TensorRT. Nothing here needs TensorRT or a GPU.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nastk.console import one_line
from nastk.deploy.manifest import MANIFEST, load_manifest
from nastk.deploy.runtimes.gpu import Gpu
from nastk.errors import UserError
from nastk.outside import read_bytes

SUFFIX = ".engine"
# On which other GPUs an engine shall run, as config says it; trtexec's word for it.
HARDWARE = {"same": "none", "compute_capability": "sameComputeCapability", "ampere_plus": "ampere+"}
AMPERE = 8
ONLY_OURS = "an engine is code, only those that an export built are loaded; export again on this machine"
MAX_BYTES = 2**32
_built_here: set[str] = set()


@dataclass(frozen=True)
class EngineSettings:
    """How engines are built.

    Attributes:
        batches: images at a time: the least, what the engine is tuned for, the most. One optimization profile.
        hardware: a key of `HARDWARE`.
        version_compatible: whether later versions of TensorRT shall run it.
    """

    batches: tuple[int, int, int]
    hardware: str
    version_compatible: bool


def engine_path(model: Path) -> Path:
    """Returns where the engine of an ONNX file lies: beside it."""
    return model.with_suffix(SUFFIX)


def built_here(data: bytes) -> None:
    """Notes that this process built an engine."""
    _built_here.add(hashlib.sha256(data).hexdigest())


def engine_record(settings: EngineSettings, gpu: Gpu, tensorrt: str) -> dict[str, Any]:
    """Returns what the manifest says of an engine beside its hash, as JSON."""
    return {
        "gpu": gpu.name,
        "compute_capability": gpu.capability,
        "tensorrt": tensorrt,
        "hardware": settings.hardware,
        "version_compatible": settings.version_compatible,
        "batches": list(settings.batches),
    }


def trusted_engine(path: Path, gpu: Gpu, tensorrt: str) -> tuple[bytes, bool]:
    """Reads an engine that may be run on this GPU by this version of TensorRT.

    Returns:
        The engine, and whether it may bring code for the CPU.

    Raises:
        UserError: neither this process nor an export made it, it was changed since, or it is for another GPU or
            version of TensorRT.
    """
    data = read_bytes(path, MAX_BYTES)
    digest = hashlib.sha256(data).hexdigest()
    if digest in _built_here:
        return data, True
    record = _record(path, digest)
    if not fits(record, gpu):
        built_for = Gpu(str(record.get("gpu")), str(record.get("compute_capability")))
        raise UserError(f"{path}: built for {built_for}, this machine has {gpu}; export again here, or build_engine.sh")
    if not runs_by(record, tensorrt):
        built_by = one_line(record.get("tensorrt"))
        raise UserError(
            f"{path}: built by TensorRT {built_by}, this machine has {tensorrt}; export again here, or build_engine.sh"
        )
    return data, record.get("version_compatible") is True


def fits(record: Mapping[str, Any], gpu: Gpu) -> bool:
    """Returns whether an engine runs on a GPU: by default on the kind that it was built on alone."""
    if record.get("hardware") == "ampere_plus":
        return int(gpu.capability.split(".")[0]) >= AMPERE
    if record.get("hardware") == "compute_capability":
        return record.get("compute_capability") == gpu.capability
    return (record.get("gpu"), record.get("compute_capability")) == (gpu.name, gpu.capability)


def all_run(engines: object, gpu: Gpu, tensorrt: str) -> bool:
    """Returns whether what a manifest says of its engines, by file, lets all of them run here."""
    records = engines.values() if isinstance(engines, Mapping) else ()
    return all(isinstance(one, Mapping) and fits(one, gpu) and runs_by(one, tensorrt) for one in records)


def runs_by(record: Mapping[str, Any], tensorrt: str) -> bool:
    """Returns whether a version of TensorRT runs an engine: that which built it, or a later one of the same major.

    Later ones run version-compatible engines only (NVIDIA's developer guide, "Version Compatibility"). A record that
    does not say which version built it is believed.
    """
    built_by = record.get("tensorrt")
    if not isinstance(built_by, str) or built_by == tensorrt:
        return True
    before, now = (tuple(int(part) for part in re.findall(r"\d+", version)[:3]) for version in (built_by, tensorrt))
    return record.get("version_compatible") is True and before[:1] == now[:1] and before <= now


def _record(path: Path, digest: str) -> Mapping[str, Any]:
    """Returns what the manifest beside an engine says of it."""
    if not (path.parent / MANIFEST).is_file():
        raise UserError(f"{path}: no {MANIFEST} beside it; {ONLY_OURS}")
    manifest = load_manifest(path.parent, verify=False)
    entry = manifest["files"].get(path.name)
    if entry is None:
        raise UserError(f"{path}: not in {MANIFEST}; {ONLY_OURS}")
    if entry["sha256"] != digest:
        raise UserError(f"{path}: its SHA-256 is not the manifest's; the file was changed after it was exported")
    targets = manifest.get("targets")
    engines = targets.get("tensorrt", {}).get("engines") if isinstance(targets, dict) else None
    record = engines.get(path.name) if isinstance(engines, dict) else None
    if not isinstance(record, dict):
        raise UserError(f"{path}: {MANIFEST} does not say what it was built for; export again")
    return record
