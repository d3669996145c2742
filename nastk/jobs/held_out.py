"""The training images that a transfer held out: what is decided after a training is decided on these."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nastk.data.images import DataSource, ImageSet
from nastk.data.subsets import hold_out
from nastk.deploy.tuning.int8_source import HeldOut
from nastk.outside import read_json
from nastk.training.record import RECORD


def held_out_images(model: Path, data: DataSource) -> tuple[ImageSet, HeldOut]:
    """Returns the training images less those held out, and these: what int8 is decided on.

    They are the ones that the transfer held out, where it did and the images are those that it was trained on.
    """
    record = _record_of(model)
    transfer: Any = record.get("settings")
    known = transfer if isinstance(transfer, dict) else {}
    seed = known.get("seed")
    train, held = hold_out(data, seed if isinstance(seed, int) else 0)
    trained_on = record.get("data")
    sha256 = trained_on.get("train_sha256") if isinstance(trained_on, dict) else None
    unseen = known.get("holdout") is True and sha256 == train.fingerprint()
    return train, HeldOut(held, unseen)


def unseen_images(model: Path, data: DataSource) -> HeldOut | None:
    """Returns the training images that a network was not trained on, None where there are none."""
    settings = _record_of(model).get("settings")
    if not isinstance(settings, dict) or settings.get("holdout") is not True:
        return None
    held = held_out_images(model, data)[1]
    return held if held.unseen else None


def _record_of(model: Path) -> dict[str, Any]:
    """Returns what a network's training was made of; nothing where that is not told."""
    path = model / RECORD
    record = read_json(path) if path.exists() else {}
    return record if isinstance(record, dict) else {}
