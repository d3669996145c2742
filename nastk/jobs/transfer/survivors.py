"""Which networks of a transfer are trained to the end: the baselines, and the candidates that halving leaves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from nastk.jobs.transfer.failures import Failures
from nastk.jobs.transfer.halving import halved
from nastk.jobs.transfer.trainings import Sized
from nastk.training.rungs import Rung

Metrics = Mapping[str, Any]


class Trains(Protocol):
    """What trains a network in part and to the end, as `Trainings` does."""

    epochs: int

    def rung(self, one: Sized, epochs: int) -> Rung:
        """Returns its scores after so many epochs; raises TrainingFailed."""

    def full(self, one: Sized) -> Metrics:
        """Returns its metrics at the end; raises TrainingFailed."""


def trained_to_the_end(
    networks: Sequence[Sized], top: int, compared: bool, trainings: Trains, balanced: bool = False
) -> tuple[list[Sized], list[Metrics]]:
    """Trains the networks, of more candidates than are wanted the better part only; returns those that gave a result.

    One that diverges or runs out of memory is left out, and where it was to be trained to the end the candidates are
    compared again without it: who goes on is the same where the transfer is stopped in between.

    Args:
        networks: at least one; the search's candidates, and baselines.
        top: how many candidates are wanted.
        compared: whether candidates are compared on the way, which needs images held out.
        trainings: of the networks.
        balanced: whether candidates are compared by their balanced accuracy.

    Returns:
        The networks, candidates first, and the metrics of each.

    Raises:
        UserError: no training gave a result; one of `Trainings`'s.
    """
    failures, rungs, found = Failures(), dict[tuple[Path, int], Rung](), dict[Path, Metrics | None]()

    def rung(one: Sized, epochs: int) -> Rung | None:
        if (one.place, epochs) not in rungs:
            score = failures.attempt(one, lambda: trainings.rung(one, epochs))
            if score is None:
                return None
            rungs[one.place, epochs] = score
        return rungs[one.place, epochs]

    def full(one: Sized) -> bool:
        if one.place not in found:
            found[one.place] = failures.attempt(one, lambda: trainings.full(one))
        return found[one.place] is not None

    def candidates() -> list[Sized]:
        entrants = [one for one in networks if one.baseline is None]
        left = [one for one in entrants if one not in failures]
        if compared and left:
            left = halved(left, top, trainings.epochs, rung, lambda one: one.told, len(entrants), balanced)
        return left

    left = candidates()
    while not all(full(one) for one in left):
        left = candidates()
    ended = [*left, *(one for one in networks if one.baseline is not None and full(one))]
    if not ended:
        raise failures.none_left()
    return ended, [metrics for one in ended if (metrics := found[one.place]) is not None]
