"""A final training of a tiny network for tests, whole or ended early."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch

from nastk.data.images import DataSource
from nastk.networks.stored import load_trained
from nastk.training.transfer import TransferSettings, train_final
from tests.training.small import CONFIG, genotype

SETTINGS = TransferSettings(epochs=4, device="cpu", threads=1, batch=32)
NETWORK = dataclasses.replace(CONFIG, auxiliary=True, drop_path=0.3)
FILES = ["genotype.json", "metrics.json", "model.safetensors", "network.json", "training.json"]
CPU = torch.device("cpu")


def lasting(metrics: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in metrics.items() if name != "seconds"}


def final(folder: Path, data: DataSource, **changes: Any) -> dict[str, Any]:
    progress, run = changes.pop("progress", None), changes.pop("run", None)
    return train_final(genotype(), NETWORK, data, dataclasses.replace(SETTINGS, **changes), folder, progress, run)


class Stop(Exception):  # noqa: N818
    """Ends a training from inside."""


def stop_after(epoch: int) -> Any:
    def progress(done: int, epochs: int, loss: float) -> None:
        if done == epoch:
            raise Stop

    return progress


def broken(folder: Path, data: DataSource, epoch: int) -> None:
    """Leaves a training that ended after `epoch` epochs."""
    with pytest.raises(Stop):
        final(folder, data, progress=stop_after(epoch))


def same_weights(one: Path, other: Path) -> bool:
    ours, theirs = (load_trained(folder).network.state_dict() for folder in (one, other))
    return all(torch.equal(value, theirs[name]) for name, value in ours.items())
