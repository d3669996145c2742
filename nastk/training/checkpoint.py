"""Checkpoints of a training: Lightning's, the last one and the one before it, readable with `weights_only=True`."""

from __future__ import annotations

import io
import os
import pickle
import time
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.plugins import TorchCheckpointIO

from nastk.errors import UserError
from nastk.files import cannot_write, sync_folder
from nastk.training.module import Classifier
from nastk.training.share import Share

LAST, PREVIOUS, WRITING = "last.ckpt", "previous.ckpt", ".writing.ckpt"
OURS = "nastk"
# Several processes ask each other so often, in steps, whether a checkpoint is due: they have to write at the same step.
ASK_EVERY = 16


class OnDisk(TorchCheckpointIO):
    """Writes a checkpoint right where it is to be; Lightning's own way is through the system's temporary folder."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        """Returns when it is on the disk; raises OSError where it does not fit."""
        content = io.BytesIO()  # torch's writer makes a RuntimeError of a full disk
        torch.save(checkpoint, content)
        with Path(path).open("wb") as file:
            file.write(content.getbuffer())
            file.flush()
            os.fsync(file.fileno())


class Checkpoints(pl.Callback):
    """Writes the training to a folder. A kill at any moment leaves a whole checkpoint, but before the first."""

    def __init__(
        self, folder: Path, facts: Callable[[], dict[str, float]], minutes: float = 0.0, share: Share | None = None
    ) -> None:
        """Prepares.

        Args:
            folder: where they are stored.
            facts: what is stored with each of them, at that moment.
            minutes: between those within an epoch; 0 for none.
            share: this process's; all of them call, the first one writes.
        """
        self._folder = folder
        self._facts = facts
        self._seconds = 60 * minutes
        self._share = share or Share()
        self._written = time.monotonic()

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Adds the facts to a checkpoint, the last epoch's loss, and that of the epoch under way, of each process."""
        assert isinstance(pl_module, Classifier)
        losses = [float(loss) for loss in self._share.gather(pl_module.loss_sum)]
        checkpoint[OURS] = {**self._facts(), "train_loss": pl_module.train_loss, "loss_sums": losses}

    def on_load_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Takes up the loss of the epoch under way, and that of the last epoch, after which there may be no other."""
        assert isinstance(pl_module, Classifier)
        facts = checkpoint[OURS]
        losses = facts["loss_sums"]
        pl_module.loss_sum = torch.tensor(losses[self._share.rank])
        # Without it, in a fine-tuning's checkpoint of before it was stored, that of the epoch which has just ended.
        pl_module.train_loss = facts.get("train_loss", sum(losses) / (len(losses) * len(pl_module.batches)))

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Writes one between two steps, where it is time."""
        if batch_idx and self._seconds and self._is_due(batch_idx, pl_module.device):
            self.write(trainer)

    def write(self, trainer: pl.Trainer) -> None:
        """Writes a checkpoint aside, then moves it into place, the last one becoming the one before.

        Raises:
            UserError: the folder cannot be written, or the disk is full; the checkpoints are as they were.
        """
        writing, last = self._folder / WRITING, self._folder / LAST
        try:
            trainer.save_checkpoint(writing)
            if self._share.first:
                if last.exists():
                    last.replace(self._folder / PREVIOUS)
                writing.replace(last)
                sync_folder(self._folder)
        except OSError as error:
            writing.unlink(missing_ok=True)
            raise cannot_write(last, error) from None
        self._written = time.monotonic()

    def _is_due(self, batch: int, device: torch.device) -> bool:
        due = time.monotonic() - self._written >= self._seconds
        if self._share.ranks == 1:
            return due
        if batch % ASK_EVERY:
            return False
        return bool(self._share.sum(torch.tensor(float(due and self._share.first), device=device)))


def find_checkpoint(folder: Path) -> tuple[Path, dict[str, Any]] | None:
    """Returns the newest whole checkpoint and its facts, "steps" that are done among them; None where there is none.

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
    if not path.is_file():
        return None
    try:
        with zipfile.ZipFile(path) as archive:  # torch.load does not compare the checksums that torch.save wrote
            if archive.testzip() is not None:
                return None
        found = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
        facts = found.get(OURS)
        return {**facts, "steps": int(found["global_step"])} if isinstance(facts, dict) else None
    except PermissionError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None
    except (OSError, RuntimeError, EOFError, AttributeError, KeyError, zipfile.BadZipFile, pickle.UnpicklingError):
        return None
