"""curves.jsonl of a run: the training loss of each network after each epoch of its transfer."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

from nastk.checks import is_number, is_whole
from nastk.errors import UserError
from nastk.files import append_line
from nastk.runs.known_lines import known_lines

CURVES = "curves.jsonl"


def add_epoch(run: Path, key: str, epoch: int, loss: float) -> None:
    """Adds an epoch, counted from 1; a training is not lost for want of it."""
    with contextlib.suppress(UserError, ValueError):
        append_line(run / CURVES, json.dumps({"key": key, "epoch": epoch, "train_loss": loss}, allow_nan=False))


def read_curves(run: Path) -> dict[str, list[tuple[int, float]]]:
    """Returns (epoch, loss) by key; of a training that went back to an earlier epoch, what it did then.

    Raises:
        UserError: the file cannot be read.
    """
    found: dict[str, list[tuple[int, float]]] = {}
    for entry in known_lines(run / CURVES):
        epoch, loss = entry.get("epoch"), entry.get("train_loss")
        if not is_whole(epoch, 1) or not is_number(loss):
            continue
        curve = found.setdefault(str(entry.get("key")), [])
        curve[:] = [point for point in curve if point[0] < epoch]
        curve.append((int(epoch), float(loss)))
    return found
