"""A proposal of the controller's: the genotype that it wants to know of, with the trial that was opened for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from optuna.trial import Trial

from nastk.genotype import Genotype
from nastk.runs.trials import Row, State


@dataclass(frozen=True)
class Proposal:
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


@dataclass(frozen=True)
class Outcome:
    """What became of a proposal.

    Attributes:
        state: of its row.
        metrics: by name.
        seconds: from the proposal to here.
        reason: why it has no result of its own, "" where it has one.
        told_as: the state that the study is told: that of the trial which a duplicate repeats; None for `state`.
    """

    state: State
    metrics: Mapping[str, float]
    seconds: float
    reason: str = ""
    told_as: str | None = None
