"""The transfer as a step: the cells that a search chose, trained larger on all training images."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from omegaconf import DictConfig
from tqdm import tqdm

from nastk.config import build, settings
from nastk.errors import UserError
from nastk.jobs.parts import make_data, run_config
from nastk.networks import NetworkConfig
from nastk.results import chosen
from nastk.runs import held
from nastk.training.transfer import TransferSettings, train_final


@dataclass(frozen=True)
class TransferShape:
    """Which candidates are trained, and how large.

    Attributes:
        top: how many of the Pareto front's candidates, the most accurate first.
        cells, filters, stem, auxiliary, drop_path: see `NetworkConfig`.
    """

    top: int = 1
    cells: int = 2
    filters: int = 16
    stem: str = "cifar"
    auxiliary: bool = True
    drop_path: float = 0.1

    def __post_init__(self) -> None:
        if self.top < 1:
            raise UserError(f"transfer.top={self.top}: expected at least 1")


def run_transfer(config: DictConfig) -> list[Path]:
    """Trains the chosen candidates of `config.run`; returns their folders, the most accurate in the search first.

    A finished one is not trained again, a killed one goes on from its last epoch.

    Raises:
        UserError: no such run, or one of `train_final`'s.
    """
    folder, searched = run_config(config)
    shape: TransferShape = settings(TransferShape, config.transfer, "transfer.")
    recipe = build(config.training, "training", seed=searched.seed)
    if not isinstance(recipe, TransferSettings):
        raise UserError(f"training._target_={config.training._target_!r}: expected a recipe of nastk.training.transfer")
    data = make_data(config if config.get("data") is not None else searched)
    network_config = NetworkConfig(
        stem=shape.stem,
        cells=shape.cells,
        filters=shape.filters,
        classes=len(data.classes),
        channels=data.channels,
        size=data.size,
        auxiliary=shape.auxiliary,
        drop_path=shape.drop_path,
    )
    folders = []
    with held(folder):
        for key, genotype in chosen(folder, shape.top):
            place = folder / "transfer" / key
            with tqdm(total=recipe.epochs, desc=f"transfer {key[:8]}", unit="epoch", disable=None) as bar:

                def progress(epoch: int, epochs: int, loss: float, bar: tqdm = bar) -> None:
                    bar.update(epoch - bar.n)
                    bar.set_postfix_str(f"training loss {loss:.3f}")

                metrics = train_final(genotype, network_config, data, recipe, place, progress)
            print(
                f"transfer {key[:8]}: test accuracy {metrics['accuracy']:.4f} after {metrics['epochs']} epochs, "
                f"{metrics['params']:,} parameters",
                file=sys.stderr,
            )
            folders.append(place)
    return folders
