"""The transfer as a step: the cells that a search chose, trained larger on all training images."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from omegaconf import DictConfig
from tqdm import tqdm

from nastk.config import build, settings
from nastk.errors import UserError
from nastk.jobs.parts import make_data, run_config
from nastk.networks import NetworkConfig
from nastk.results import chosen
from nastk.runs import held
from nastk.training.data import DataSource
from nastk.training.device import choose_device
from nastk.training.transfer import METRICS, TransferSettings, train_final


@dataclass(frozen=True)
class TransferShape:
    """Which candidates are trained, and how large.

    Attributes:
        top: how many of the Pareto front's candidates, the most accurate first.
        cells, filters, stem: see `NetworkConfig`; auxiliary head and drop path are the recipe's.
    """

    top: int = 1
    cells: int = 2
    filters: int = 16
    stem: str = "cifar"

    def __post_init__(self) -> None:
        if self.top < 1:
            raise UserError(f"transfer.top={self.top}: expected at least 1")


class TransferPlan(NamedTuple):
    """What `run_transfer` does: how many candidates, built how, trained how, on which data."""

    top: int
    network: NetworkConfig
    recipe: TransferSettings
    data: DataSource


def run_transfer(config: DictConfig) -> list[Path]:
    """Trains the chosen candidates of `config.run`; returns their folders, the most accurate in the search first.

    A finished one is not trained again, a killed one goes on from its last epoch.

    Raises:
        UserError: no such run, or one of `train_final`'s.
    """
    folder, searched = run_config(config)
    plan = transfer_plan(config, searched)
    folders = []
    with held(folder):
        candidates = chosen(folder, plan.top)
        if len(candidates) < plan.top:
            print(f"transfer: the Pareto front has {len(candidates)} candidates, not {plan.top}", file=sys.stderr)
        for key, genotype in candidates:
            place = folder / "transfer" / key
            known = (place / METRICS).exists()
            with tqdm(total=plan.recipe.epochs, desc=f"transfer {key[:8]}", unit="epoch", disable=known or None) as bar:

                def progress(epoch: int, epochs: int, loss: float, bar: tqdm = bar) -> None:
                    bar.update(epoch - bar.n)
                    bar.set_postfix_str(f"training loss {loss:.3f}")

                metrics = train_final(genotype, plan.network, plan.data, plan.recipe, place, progress)
            print(
                f"transfer {key[:8]}: {_result(place, metrics)}{' (trained before)' if known else ''}", file=sys.stderr
            )
            folders.append(place)
    return folders


def transfer_plan(config: DictConfig, searched: DictConfig) -> TransferPlan:
    """Returns how the transfer will train, every setting checked; `searched` is the configuration of the search."""
    shape: TransferShape = settings(TransferShape, config.transfer, "transfer.")
    recipe = build(config.training, "training", seed=searched.seed)
    if not isinstance(recipe, TransferSettings):
        raise UserError(f"training._target_={config.training._target_!r}: expected a recipe of nastk.training.transfer")
    choose_device(recipe.device)
    data = make_data(config if config.get("data") is not None else searched)
    network = NetworkConfig(
        stem=shape.stem,
        cells=shape.cells,
        filters=shape.filters,
        classes=len(data.classes),
        channels=data.channels,
        size=data.size,
        auxiliary=recipe.auxiliary > 0,
        drop_path=recipe.drop_path,
    )
    return TransferPlan(shape.top, network, recipe, data)


def _result(folder: Path, metrics: dict[str, Any]) -> str:
    try:
        return (
            f"test accuracy {metrics['accuracy']:.4f} after {metrics['epochs']} epochs, "
            f"{metrics['params']:,} parameters"
        )
    except (KeyError, TypeError, ValueError):
        raise UserError(f"{folder / METRICS}: accuracy, epochs or params is missing or no number; damaged") from None
