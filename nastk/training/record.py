"""What a folder's training is made of, written into it first, so that no other training goes on in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from nastk.data.images import ImageSet
from nastk.errors import UserError
from nastk.files import cannot_write, write_json
from nastk.networks import NetworkConfig
from nastk.outside import read_json
from nastk.runs.baselines import BASELINE
from nastk.runs.failed import FAILED
from nastk.runs.full_size import FULL
from nastk.runs.pruned import PRUNE
from nastk.training.class_weights import BALANCED
from nastk.training.job import JOB, LOG, Job
from nastk.training.teacher import Teacher
from nastk.training.transfer_settings import TransferSettings

SCHEMA = 1
RECORD = "training.json"
# Written before a training, by whoever picked the network's size.
SHAPE = "shape.json"
# Where a training runs is no part of what it is: it may be resumed elsewhere.
ELSEWHERE = ("device", "threads", "graph")
# Of a teacher: what it is counts, not where it lies.
TEACHER = "teacher"
# Images without labels: their hash, and how many a step.
UNLABELLED = "unlabelled"
# Of `Warp`: written where images are turned, zoomed or recoloured.
WARP = ("rotate", "zoom", "colour")


def training_record(job: Job, train: ImageSet, unlabelled: ImageSet | None = None) -> dict[str, Any]:
    """Returns, as plain values, all that the result depends on; raises UserError where network and data do not fit.

    Args:
        job: what is trained and how.
        train: the images that it is trained on, those held out left out.
        unlabelled: those without labels that a teacher answers to, None for none.
    """
    config, data, run = job.network, job.data, job.run
    expected = {"classes": len(data.classes), "channels": data.channels}
    if (config.height, config.width) != (data.size, data.size):
        raise UserError(f"network: {_sides(config)}, expected {data.size} pixels a side as in the data {data.name}")
    for name, value in expected.items():
        if getattr(config, name) != value:
            raise UserError(f"network: {name}={getattr(config, name)}, expected {value} as in the data {data.name}")
    record = {
        "schema": SCHEMA,
        "genotype": job.genotype.to_dict(),
        "network": config.to_dict(),
        "data": {"name": data.name, "train_sha256": train.fingerprint(), "crop": data.crop, "flip": data.flip},
        "settings": _recorded(job.settings),
        "run": {"devices": run.devices, "sync_batchnorm": run.sync_batchnorm and run.devices > 1},
        **({} if job.initial is None else {"initial_sha256": job.initial.sha256}),
    }
    if job.teacher is None:
        return record
    more = {} if unlabelled is None else {UNLABELLED: _unlabelled(unlabelled, job.settings)}
    return {**record, TEACHER: _taught(job.teacher, job.settings), **more}


def _taught(teacher: Teacher, settings: TransferSettings) -> dict[str, Any]:
    """Returns what a training depends on that has a teacher; others have no such entry, so that older ones go on."""
    views = {"views": settings.teacher_views} if settings.teacher_views else {}
    return {**teacher.record, **settings.taught, **views}


def _unlabelled(images: ImageSet, settings: TransferSettings) -> dict[str, Any]:
    return {"sha256": images.fingerprint(), "ratio": settings.teacher_unlabelled}


def _sides(config: NetworkConfig) -> str:
    square = config.height == config.width
    return f"size={config.size}" if square else f"{config.height}x{config.width} pixels"


def _recorded(settings: TransferSettings) -> dict[str, Any]:
    """Returns the recipe as JSON has it; what trainings of before a setting did is not written, so that they go on."""
    fields = {name: value for name, value in asdict(settings).items() if name not in ELSEWHERE}
    fields = {name: value for name, value in fields.items() if not name.startswith(TEACHER)}
    if not settings.warp():
        fields = {name: value for name, value in fields.items() if name not in WARP}
    weights = fields.pop("class_weights")
    return fields if weights is None else {**fields, "class_weights": list(weights) if weights != BALANCED else weights}


def claim_folder(folder: Path, record: Mapping[str, Any]) -> None:
    """Makes `folder` with the record in it, or finds the same record there.

    Raises:
        UserError: the folder holds another training or other files, or cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        visible = {path.name for path in folder.iterdir() if not path.name.startswith(".")}
    except OSError as error:
        raise cannot_write(folder, error) from None
    names = sorted(visible - {SHAPE, FULL, BASELINE, PRUNE, FAILED, JOB, LOG})
    if RECORD not in names and names:
        raise UserError(f"{folder}: holds {names[0]} but no {RECORD}, expected an empty folder or a training's own")
    if names in ([], [RECORD]):  # of a training that has not come to its first checkpoint there is nothing to lose
        write_json(folder / RECORD, record)
        return
    found = read_json(folder / RECORD)
    if found != record:
        raise UserError(
            f"{folder}: holds another training ({_difference(found, record)}); "
            f"use the same settings to go on{_of_before(found, record)}, or move the folder away to train anew"
        )


def _of_before(found: Any, wanted: Mapping[str, Any]) -> str:
    """Returns the setting to go on with where a training began with another optimizer, as before Muon was usual."""
    records = [one.get("settings", {}) if isinstance(one, Mapping) else {} for one in (found, wanted)]
    optimizers = [one.get("optimizer") for one in records]
    return f" (training.optimizer={optimizers[0]})" if optimizers[0] and optimizers[0] != optimizers[1] else ""


def _difference(found: Any, wanted: Any, where: str = "") -> str:
    if isinstance(found, dict) and isinstance(wanted, Mapping):
        for name in [*wanted, *found]:
            if found.get(name) != wanted.get(name):
                return _difference(found.get(name), wanted.get(name), f"{where}.{name}" if where else name)
    if where == "initial_sha256":
        return "other weights to begin with, transfer.init"
    if where in (TEACHER, f"{TEACHER}.sha256"):
        return "with another teacher" if found and wanted else f"with{'' if found else 'out'} a teacher"
    if where in (UNLABELLED, f"{UNLABELLED}.sha256"):
        return "with other unlabelled images" if found and wanted else f"with{'' if found else 'out'} unlabelled images"
    if where.startswith("genotype") or where.endswith("sha256"):
        return "another genotype" if where.startswith("genotype") else "other training images"
    return f"{where} is {found!r} there and {wanted!r} here"
