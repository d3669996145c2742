"""A candidate of a search: what the controller proposed, with its open trial."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from optuna.trial import Trial

from nastk.genotype import Genotype
from nastk.runs.trials import Row


@dataclass(frozen=True)
class Candidate:
    """A genotype that the controller proposed, with its open trial.

    Attributes:
        trial: the open trial.
        genotype: what is to be trained.
        cost: where the trial was accepted before a kill interrupted it, what it costs; else None.
        row: where it has its result already and only the study was not told, this; else None.
    """

    trial: Trial
    genotype: Genotype
    cost: Mapping[str, float] | None = None
    row: Row | None = None

    @property
    def number(self) -> int:
        """The trial's number, from 0."""
        return self.trial.number
