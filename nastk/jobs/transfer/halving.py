"""Successive halving of a transfer's candidates: many begin, and the better half on held-out images goes on.

What a search's short training says of a network is in doubt where two are close; the transfer's own training, as far
as it has come, says it better. No epoch is done twice: what goes on goes on from where it stopped (Jamieson, Talwalkar,
"Non-stochastic Best Arm Identification and Hyperparameter Optimization", AISTATS 2016,
https://arxiv.org/abs/1502.07943).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

from nastk.training.record import RECORD
from nastk.training.rungs import RUNGS, Rung

# Epochs before the first comparison. After one of four, at the highest learning rate, known networks were ranked
# backwards: one had 48.6 % then and 91.3 % in the end (scripts/benchmarks/reports/2026-11-27-front-fashion.md). That
# was before normalisations were counted anew for a score on the way; with that, one epoch was not tried.
FIRST = 2
ENTRANTS = 6  # that nastk chooses, of which one is left: in all they train four times as long as one


class Stop(NamedTuple):
    """Where all that are still there are compared: after how many epochs, and how many of them go on."""

    epochs: int
    keep: int


Entrant = TypeVar("Entrant")


def stops(entrants: int, top: int, epochs: int) -> list[Stop]:
    """Returns where the candidates are compared: after half of the training and then equal stretches of it.

    Half of them go on each time. Hyperband's rungs double their epochs, but while the learning rate is high what trains
    quickly looks better than it will be in the end (scripts/benchmarks/reports/2026-11-28-rungs.md).

    Args:
        entrants: how many begin.
        top: how many are trained to the end.
        epochs: of a whole training.
    """
    left = [entrants]
    while left[-1] > top:
        left.append(max(top, -(-left[-1] // 2)))
    first = min(FIRST, epochs - 1)
    count = len(left) - 1
    places = {max(first, epochs * (count + place) // (2 * count)): keep for place, keep in enumerate(left[1:])}
    return [Stop(at, keep) for at, keep in places.items() if 0 < at < epochs]


def halved(
    entrants: Sequence[Entrant],
    top: int,
    epochs: int,
    train: Callable[[Entrant, int], Rung | None],
    told: Callable[[Entrant], str],
    begun: int | None = None,
    balanced: bool = False,
) -> list[Entrant]:
    """Returns the entrants that are to be trained to the end, in the order in which they came.

    Args:
        entrants: at least one.
        top: how many are left.
        epochs: of a whole training.
        train: trains an entrant for the first so many epochs, and scores it on held-out images; None where its
            training fails, and it does not go on.
        told: an entrant's name for a person to read.
        begun: how many there were, which says when they are compared, where some were left out; None for all.
        balanced: whether they are compared by their balanced accuracy, where it is known of all.
    """
    left = list(entrants)
    for stop in stops(begun or len(entrants), top, epochs):
        trained = [(one, train(one, stop.epochs)) for one in left]
        scored = [(one, score) for one, score in trained if score is not None]
        judged = _judged([score for _, score in scored], balanced)
        order = sorted(range(len(scored)), key=lambda place: (-judged[place], scored[place][1].validation_loss))
        going = sorted(order[: stop.keep])
        line = ", ".join(f"{told(scored[place][0])} {judged[place]:.4f}" for place in order)
        if scored:
            print(f"transfer: after {stop.epochs} epochs {len(going)} of {len(left)} go on: {line}", file=sys.stderr)
        left = [scored[place][0] for place in going]
    return left[:top]


def begun_without(run: Path) -> bool:
    """Says whether a run's transfer has begun with all candidates that it trains to the end; so it goes on."""
    begun = list((run / "transfer").glob(f"*/{RECORD}"))
    return bool(begun) and not any((path.parent / RUNGS).exists() for path in begun)


def _judged(scores: Sequence[Rung], balanced: bool) -> list[float]:
    """Returns by what networks are compared; of equal ones, and with few images there are many, the surest goes on."""
    found = [score.validation_balanced_accuracy for score in scores]
    known = [score for score in found if score is not None]
    return known if balanced and len(known) == len(scores) else [score.validation_accuracy for score in scores]
