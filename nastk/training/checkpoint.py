"""Checkpoints of a training: Lightning's, one an epoch and the one before it, readable with `weights_only=True`."""

from __future__ import annotations

import os
import pickle
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch

from nastk.errors import UserError
from nastk.files import cannot_write

LAST, PREVIOUS, WRITING = "last.ckpt", "previous.ckpt", ".writing.ckpt"
OURS = "nastk"


class Checkpoints(pl.Callback):
    """Writes the training to a folder. A kill at any moment leaves a whole checkpoint, but before the first."""

    def __init__(self, folder: Path, facts: Mapping[str, float]) -> None:
        """Stores in `folder`, and with each checkpoint what `facts` holds at that moment."""
        self._folder = folder
        self._facts = facts

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Adds the facts to a checkpoint."""
        checkpoint[OURS] = dict(self._facts)

    def write(self, trainer: pl.Trainer) -> None:
        """Writes a checkpoint aside, then moves it into place, the last one becoming the one before.

        Raises:
            UserError: the folder cannot be written, or the disk is full; the checkpoints are as they were.
        """
        writing, last = self._folder / WRITING, self._folder / LAST
        try:
            trainer.save_checkpoint(writing)
            with writing.open("rb") as file:
                os.fsync(file.fileno())
            if last.exists():
                last.replace(self._folder / PREVIOUS)
            writing.replace(last)
        except OSError as error:
            writing.unlink(missing_ok=True)
            raise cannot_write(last, error) from None


def find_checkpoint(folder: Path) -> tuple[Path, dict[str, Any]] | None:
    """Returns the newest whole checkpoint and its facts; None where there is none.

    A damaged one is passed over with a warning of one line.
    """
    for name in (LAST, PREVIOUS):
        path = folder / name
        if not path.exists():
            continue
        facts = _facts_of(path)
        if facts is not None:
            return path, facts
        fallback = "the one before it" if name == LAST and (folder / PREVIOUS).exists() else "the beginning"
        warnings.warn(f"{path}: cut short or damaged; the training goes on from {fallback}", stacklevel=3)
    return None


def remove_checkpoints(folder: Path) -> None:
    """Removes what `Checkpoints` wrote."""
    for name in (LAST, PREVIOUS, WRITING):
        (folder / name).unlink(missing_ok=True)


def _facts_of(path: Path) -> dict[str, Any] | None:
    try:
        with zipfile.ZipFile(path) as archive:  # torch.load does not compare the checksums that torch.save wrote
            if archive.testzip() is not None:
                return None
        facts = torch.load(path, map_location="cpu", weights_only=True, mmap=True).get(OURS)
        return facts if isinstance(facts, dict) else None
    except PermissionError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None
    except (OSError, RuntimeError, EOFError, AttributeError, zipfile.BadZipFile, pickle.UnpicklingError):
        return None
