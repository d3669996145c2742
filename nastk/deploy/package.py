"""Export: from the folder of a trained network to checked, measured files that say all about themselves."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nastk.deploy.assess import Quality, check_parity, quality, recommend, torch_logits
from nastk.deploy.fusion import int8_share
from nastk.deploy.images import ImageSource, balanced, check_source, normalised
from nastk.deploy.latency import Latency, measure
from nastk.deploy.machine import machine_facts, versions
from nastk.deploy.manifest import LABELS, MANIFEST, MODEL, MODEL_INT8, SCHEMA, describe_files, load_manifest
from nastk.deploy.onnx import write_onnx
from nastk.deploy.quantize import quantize_int8
from nastk.deploy.session import open_session, predict
from nastk.deploy.validate import validate_model
from nastk.errors import UserError
from nastk.files import cannot_write, write_json
from nastk.networks import count_macs, count_parameters
from nastk.networks.stored import GENOTYPE, NETWORK, WEIGHTS, Trained, load_trained
from nastk.runs import git_commit

BATCH = 1024


@dataclass(frozen=True)
class ExportSettings:
    """How to export.

    Attributes:
        max_accuracy_drop: int8 that loses more than this share of the test images is not recommended.
        calibration: training images that the int8 ranges are taken from.
        seconds: of latency measurement a file.

    Raises:
        UserError: a value that cannot be.
    """

    max_accuracy_drop: float = 0.005
    calibration: int = 256
    seconds: float = 1.0

    def __post_init__(self) -> None:
        drop = self.max_accuracy_drop
        if isinstance(drop, bool) or not isinstance(drop, int | float) or not 0 <= drop <= 1:
            raise UserError(f"export: max_accuracy_drop={drop!r}, expected a share from 0 to 1")
        count = self.calibration
        if isinstance(count, bool) or not isinstance(count, int) or count < 1:
            raise UserError(f"export: calibration={count!r}, expected a whole number of at least 1")


def export_model(
    transfer_folder: Path, out_folder: Path, data: ImageSource, settings: ExportSettings | None = None
) -> dict[str, Any]:
    """Writes model.onnx, model.int8.onnx, labels.json and manifest.json.

    The folder appears whole or not at all. One that is there already is kept where its files are those of its manifest
    and it was made of the same trained network with the same settings.

    Args:
        transfer_folder: model.safetensors, genotype.json and network.json, as `train_final` writes them.
        out_folder: of the export.
        data: what the network was trained on: calibrated on training images, scored on test images.
        settings: default `ExportSettings()`.

    Returns:
        The content of manifest.json.

    Raises:
        UserError: the trained network is missing or damaged, the data are not what it was trained on, the folder holds
            something else than an export or cannot be written.
        ParityError: the float32 file does not compute what the network does.
    """
    settings = settings or ExportSettings()
    trained = load_trained(transfer_folder)
    check_source(data, trained.config, trained.facts["classes"])
    source = {**describe_files(transfer_folder, (WEIGHTS, GENOTYPE, NETWORK)), "settings": asdict(settings)}
    existing = _existing(out_folder, source)
    if existing is not None:
        return existing
    partial = _partial_folder(out_folder)
    try:
        manifest = _fill(partial, trained, data, settings, source)
        _put_in_place(partial, out_folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return manifest


def _fill(
    folder: Path, trained: Trained, data: ImageSource, settings: ExportSettings, source: dict[str, Any]
) -> dict[str, Any]:
    config, facts = trained.config, trained.facts
    mean, std = facts["normalisation"]["mean"], facts["normalisation"]["std"]
    fp32, int8 = folder / MODEL, folder / MODEL_INT8
    write_onnx(trained.network, fp32, (1, config.channels, config.size, config.size), {"key": trained.genotype.key})
    calibration = normalised(balanced(data.train(), settings.calibration), mean, std)
    quantize_int8(fp32, int8, calibration)
    answers = _answers(trained, (fp32, int8), data)
    check_parity(answers.fp32, answers.reference)
    scores = {
        MODEL: quality(answers.fp32, answers.reference, answers.labels),
        MODEL_INT8: quality(answers.int8, answers.reference, answers.labels),
    }
    latencies = dict(zip((MODEL, MODEL_INT8), measure([fp32, int8], seconds=settings.seconds), strict=True))
    chosen, reason, warnings = recommend(scores[MODEL], scores[MODEL_INT8], latencies, settings.max_accuracy_drop)
    write_json(folder / LABELS, {"schema": SCHEMA, "classes": facts["classes"]})
    files = describe_files(folder, (MODEL, MODEL_INT8, LABELS))
    share = int8_share(int8)
    manifest = {
        "schema": SCHEMA,
        "key": trained.genotype.key,
        "params": count_parameters(trained.network, auxiliary=False),
        "macs": count_macs(trained.network, config),
        "recommended": chosen,
        "reason": reason,
        "warnings": list(warnings),
        "precisions": {
            precision: _entry(name, files[name]["size_bytes"], scores[name], latencies[name])
            for precision, name in (("fp32", MODEL), ("int8", MODEL_INT8))
        },
        "int8": {
            "convolutions": share.convolutions,
            "in_int8": share.in_int8,
            "float_nodes": list(share.float_nodes),
            "calibration_images": len(calibration),
        },
        "files": files,
        "preprocessing": {
            "input": "image",
            "layout": "NCHW",
            "type": "float32",
            "channels": config.channels,
            "height": config.size,
            "width": config.size,
            "mean": mean,
            "std": std,
            "formula": "(pixel / 255 - mean) / std",
            "resizing": facts["data"].get("resizing"),
        },
        "classes": facts["classes"],
        "data": {**facts["data"], "test_images": len(answers.labels)},
        "source": source,
        "versions": versions(),
        "commit": git_commit(),
        "machine": machine_facts(),
    }
    write_json(folder / MANIFEST, manifest)
    return manifest


class _Answers(NamedTuple):
    """Logits (n, classes) for the test images of the network in torch and of both files, and the labels (n,)."""

    reference: NDArray[np.float32]
    fp32: NDArray[np.float32]
    int8: NDArray[np.float32]
    labels: NDArray[np.int64]


def _answers(trained: Trained, paths: tuple[Path, Path], data: ImageSource) -> _Answers:
    """Asks network and files, a batch at a time: the test images need not fit into memory."""
    normal = trained.facts["normalisation"]
    sessions = [open_session(validate_model(path).data, threads=0) for path in paths]
    parts = []
    for pixels, labels in data.test().batches(BATCH):
        images = normalised(pixels, normal["mean"], normal["std"])
        logits = [predict(session, images) for session in sessions]
        parts.append((torch_logits(trained.network, images), *logits, labels.numpy()))
    return _Answers(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def _entry(name: str, size: int, score: Quality, latency: Latency) -> dict[str, Any]:
    return {
        "file": name,
        "size_bytes": size,
        "accuracy": score.accuracy,
        "agreement": score.agreement,
        "max_logit_difference": score.max_difference,
        "latency_ms": {
            "p50": latency.p50_ms,
            "p90": latency.p90_ms,
            "p99": latency.p99_ms,
            "min": latency.min_ms,
            "runs": latency.runs,
            "spread": latency.spread,
            "batch": latency.batch,
            "threads": latency.threads,
        },
    }


def _existing(folder: Path, source: dict[str, Any]) -> dict[str, Any] | None:
    """Returns the manifest of an export that need not be made again; refuses a folder that holds something else."""
    if not folder.exists():
        return None
    if not folder.is_dir():
        raise UserError(f"{folder}: is a file, expected a folder or nothing")
    try:
        manifest = load_manifest(folder)
        if manifest["source"] == source:
            return manifest
    except UserError:
        pass
    strange = sorted({path.name for path in folder.iterdir()} - {MODEL, MODEL_INT8, LABELS, MANIFEST})
    if strange:
        raise UserError(f"{folder}: holds {strange[0]!r}, which is of no export; nothing was replaced")
    return None


def _partial_folder(out_folder: Path) -> Path:
    try:
        out_folder.parent.mkdir(parents=True, exist_ok=True)
        for left_over in out_folder.parent.glob(f".{out_folder.name}.*.partial"):
            shutil.rmtree(left_over, ignore_errors=True)
        return Path(tempfile.mkdtemp(dir=out_folder.parent, prefix=f".{out_folder.name}.", suffix=".partial"))
    except OSError as error:
        raise cannot_write(out_folder, error) from None


def _put_in_place(partial: Path, out_folder: Path) -> None:
    """Renames the finished folder; an older export steps aside for it and is removed afterwards."""
    try:
        partial.chmod(0o755)
        aside = partial.with_name(f"{partial.name}.old.partial")
        if out_folder.exists():
            out_folder.rename(aside)
        try:
            partial.rename(out_folder)
        except OSError:
            if aside.exists():
                aside.rename(out_folder)
            raise
        shutil.rmtree(aside, ignore_errors=True)
    except OSError as error:
        raise cannot_write(out_folder, error) from None
