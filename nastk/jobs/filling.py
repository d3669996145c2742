"""Filling what one factor of width leaves of the limits: single stages grow until nearly all is used."""

from __future__ import annotations

from collections.abc import Callable

from nastk.genotype.stages import StageGenotype
from nastk.genotype.widening import single_steps, widening_path
from nastk.jobs.transfer.sizing import last_that_fits

ENOUGH = 0.97  # of the limit that binds
TRIES = 4  # of forms that looked quick enough and are not
FILES = 16  # measured for one candidate at most
STEPS = 32  # of widths, in proportion, before single stages are tried

Used = Callable[[StageGenotype], float]
"""Returns which share of the limit that binds a network uses, infinity where it does not fit."""


def filled(genotype: StageGenotype, used: Used) -> StageGenotype:
    """Returns a network that uses at least `ENOUGH` of the limits, where one of at most `FILES` that are measured does.

    First all stages grow in proportion, one step of one stage at a time: the last of these forms that fits is found by
    bisection. Then each single step is tried in a fixed order, and again while it fits.

    Args:
        genotype: that fits.
        used: is asked once for each network.
    """
    filling = _Filling(genotype, used)
    path = widening_path(genotype, STEPS)
    if path:
        last_that_fits(lambda place: filling.takes(path[place]), len(path), 1)
    steps = single_steps(genotype)
    while steps:
        steps = [step for step in steps if filling.takes(step(filling.best))]
    return filling.best


def filled_surely(genotype: StageGenotype, used: Used, fits: Callable[[StageGenotype], bool]) -> StageGenotype:
    """Returns what `filled` does, of those forms that fit by a second look too; the network itself where none does.

    Of all forms that were timed the one chosen is one that looked quick. Where it does not hold, `used` is asked again
    and has to know the slower time, so that another form is found, at no cost where it was measured before.

    Args:
        genotype: that fits.
        used: see `filled`.
        fits: looks again at a form that `used` says fits.
    """
    for _ in range(TRIES):
        full = filled(genotype, used)
        if full == genotype or fits(full):
            return full
    return genotype


class _Filling:
    """The largest network so far, and how many may still be measured."""

    def __init__(self, genotype: StageGenotype, used: Used) -> None:
        self.best = genotype
        self._used, self._share = used, used(genotype)
        self._seen = {genotype.key}

    def takes(self, form: StageGenotype) -> bool:
        """Says whether a larger form fits, which is then the best; no form does when enough is used or measured."""
        if self._share >= ENOUGH or len(self._seen) > FILES or form.key in self._seen:
            return False
        self._seen.add(form.key)
        share = self._used(form)
        if share > 1:
            return False
        self.best, self._share = form, share
        return True
