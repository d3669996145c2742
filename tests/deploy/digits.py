"""An export of a small network that has learnt the digits, made once a process, and the digits as image files."""

from __future__ import annotations

import atexit
import functools
import shutil
import tempfile
from pathlib import Path

import torch
import torch.nn.functional as F
from PIL import Image

from nastk.data.search_record import image_facts
from nastk.data.sources import Digits
from nastk.deploy.export.export import export_model
from nastk.deploy.export.export_settings import ExportSettings
from nastk.deploy.images import normalised
from nastk.networks import NetworkConfig, build_network
from nastk.networks.stored import save_trained
from tests.deploy.networks import genotype

MEAN, STD = 0.3, 0.35


def trained_digits(folder: Path) -> Path:
    """Puts a network there that was trained for a second, and returns the folder."""
    return Path(shutil.copytree(_made() / "transfer", folder))


def exported_digits(folder: Path) -> Path:
    """Returns the folder of an export, beside `transfer`, the trained network."""
    trained_digits(folder / "transfer")
    return Path(shutil.copytree(_made() / "export", folder / "export"))


@functools.cache
def _made() -> Path:
    place = Path(tempfile.mkdtemp(prefix="nastk-digits-"))
    atexit.register(shutil.rmtree, place, ignore_errors=True)
    _train(place / "transfer")
    export_model(place / "transfer", place / "export", Digits(), ExportSettings(seconds=0.0))
    return place


def _train(folder: Path) -> None:
    folder.mkdir()
    config = NetworkConfig(cells=1, filters=8, classes=10, channels=1, size=8)
    torch.manual_seed(0)
    cell = genotype("nasbench201", seed=1)
    network = build_network(cell, config)
    images = Digits().train()
    x = torch.from_numpy(normalised(images.x, [MEAN], [STD]))
    optimizer = torch.optim.Adam(network.parameters(), 1e-2)
    for _ in range(3):
        for batch in torch.randperm(len(x)).split(64):
            loss = F.cross_entropy(network(x[batch]), images.y[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    facts = {
        "normalisation": {"mean": [MEAN], "std": [STD]},
        "classes": list(Digits().classes),
        "data": {**image_facts(Digits()), "train_images": len(images), "test_images": 360},
    }
    save_trained(folder, network, config, cell, facts)


def digit_files(folder: Path, count: int) -> list[int]:
    """Writes the first test images as 0000.png, 0001.png, ... and returns their labels."""
    folder.mkdir(parents=True, exist_ok=True)
    images = Digits().test()
    for index in range(count):
        Image.fromarray(images.x[index, 0].numpy()).save(folder / f"{index:04}.png")
    return images.y[:count].tolist()
