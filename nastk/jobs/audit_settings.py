"""What a fidelity audit trains: its settings, checked against those of the search."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

from omegaconf import DictConfig

from nastk.checks import is_whole
from nastk.errors import UserError
from nastk.runs.audit import FEWEST

MOST = 200
TIMES_LONGER = 4


@dataclass(frozen=True)
class AuditSettings:
    """What is trained.

    Attributes:
        cells: how many of the search's candidates, spread over its ranking, the best and the worst among them.
        epochs: of the longer training; None for four times the search's.
        seeds: longer trainings of each cell, the mean of which counts.
        all_images: whether these train on all images that are not held out, whatever `data.subset` of the search.
        noise: whether each cell is also trained anew as in the search but for the seed.

    Raises:
        UserError: a value that cannot be.
    """

    cells: int = 8
    epochs: int | None = None
    seeds: int = 1
    all_images: bool = False
    noise: bool = True

    def __post_init__(self) -> None:
        if not FEWEST <= self.cells <= MOST:
            raise UserError(f"cells={self.cells}: expected {FEWEST} to {MOST}")
        if not 1 <= self.seeds <= 100:
            raise UserError(f"seeds={self.seeds}: expected 1 to 100")


def resolved(
    wanted: AuditSettings, searched: DictConfig, folder: Path, scored: bool = False
) -> tuple[AuditSettings, int | None]:
    """Returns the settings with their number of epochs, and the search's number.

    Args:
        wanted: what the command asks for.
        searched: configuration of the search.
        folder: of the run.
        scored: whether the search trained nothing, and the epochs in `searched` are those that it would have had.

    Returns:
        the search's number of epochs is None where a table answered or nothing was trained.
    """
    evaluator = searched.evaluator
    if not isinstance(evaluator, DictConfig):
        raise UserError(f"{folder / 'config.yaml'}: evaluator={evaluator!r}, expected the search's settings of it")
    if "table" in evaluator:
        for name in ("epochs", "seeds", "all_images"):
            if getattr(wanted, name) != getattr(AuditSettings, name):
                raise UserError(f"{name}={getattr(wanted, name)}: a table answered this search, nothing is trained")
        return dataclasses.replace(wanted, noise=False), None
    epochs = evaluator.get("epochs")
    if not is_whole(epochs):
        raise UserError(
            f"{folder / 'config.yaml'}: evaluator.epochs={epochs!r}, expected the search's number of epochs"
        )
    longer = TIMES_LONGER * epochs if wanted.epochs is None else wanted.epochs
    if scored:
        return dataclasses.replace(wanted, epochs=longer, noise=False), None
    if longer <= epochs and not wanted.all_images:
        raise UserError(f"epochs={longer}: expected more than the search's {epochs}, or all_images=true")
    return dataclasses.replace(wanted, epochs=longer), epochs
