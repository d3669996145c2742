"""Narrowing a network to limits, one group of channels after another: the one that loses least for what it saves.

NetAdapt (Yang et al., "NetAdapt: Platform-Aware Neural Network Adaptation for Mobile Applications", ECCV 2018,
https://arxiv.org/abs/1804.03230), which trains each proposal a little and takes the most accurate. Here a proposal is
judged by the scores of the channels that it takes out, which cost nothing, and the network is trained at the end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from nastk.budget import LATENCY
from nastk.genotype.narrowing import Group, narrower_sizes, narrowing_groups, resized
from nastk.genotype.stages import StageGenotype
from nastk.jobs.transfer.clock import MARGIN, margin_of, measured_at_ease
from nastk.jobs.transfer.sizing import Limit

SHARE = 0.25  # of what is still to be saved, that each step saves at least
LEAST = 0.01  # of the limit, as well: the last steps need not be ever smaller

Lost = Callable[[StageGenotype], float | None]
"""Returns how much importance a narrower form has lost; None where it cannot be cut out of the wide network."""


class NothingNarrowEnough(Exception):  # noqa: N818 - an outcome of narrowing
    """No group can become narrower, and a limit is still broken; `cost` is of the form that was come to."""

    def __init__(self, cost: Mapping[str, float]) -> None:
        self.cost = cost
        super().__init__("nothing is left to narrow")


class Narrowed(NamedTuple):
    """A step: a group that has another size, and the form that came of it, with its cost and what it has lost."""

    group: Group
    form: StageGenotype
    cost: Mapping[str, float]
    lost: float


@dataclass
class Ruler:
    """What forms cost and how much of the limits they use; each is measured once.

    Args:
        measure: says what a form costs, every limited metric of it.
        limits: at least one.
    """

    measure: Callable[[StageGenotype], Mapping[str, float]]
    limits: Sequence[Limit]

    def __post_init__(self) -> None:
        self._known: dict[str, Mapping[str, float]] = {}

    def cost(self, form: StageGenotype, anew: bool = False) -> Mapping[str, float]:
        """Returns what a form costs; where it is measured anew, the slower of both measurements counts from now on."""
        known = self._known.get(form.key)
        if known is not None and not anew:
            return known
        limit = next((limit.value for limit in self.limits if limit.metric == LATENCY), None)
        cost = measured_at_ease(lambda: self.measure(form), limit, MARGIN)
        assert cost is not None
        self._known[form.key] = cost if known is None or known[LATENCY] < cost[LATENCY] else known
        return self._known[form.key]

    def binding(self, form: StageGenotype) -> Limit:
        """Returns the limit of which a form uses most."""
        return max(self.limits, key=lambda limit: self.used(form, limit))

    def used(self, form: StageGenotype, limit: Limit | None = None) -> float:
        """Returns the share of a limit that a form uses, a latency's with its margin; of the one that binds for None.

        Above 1 it is broken.
        """
        limit = limit or self.binding(form)
        cost = self.cost(form)
        margin = margin_of(cost) if limit.metric == LATENCY else 0.0
        return cost[limit.metric] / limit.value / (1 - margin)

    def fits(self, form: StageGenotype) -> bool:
        """Says whether a form meets the limits, a latency by a second measurement too: the one chosen looked quick."""
        if self.used(form) > 1:
            return False
        if any(limit.metric == LATENCY for limit in self.limits):
            self.cost(form, anew=True)
        return self.used(form) <= 1


def narrowed(wide: StageGenotype, latest: StageGenotype, ruler: Ruler, lost: Lost) -> Iterator[Narrowed]:
    """Yields the steps from a form of a wide network to one that meets the limits, and uses them.

    Args:
        wide: the network that was trained.
        latest: the form to go on from, the wide one itself at first.
        ruler: of forms.
        lost: of a form, from the wide network.

    Raises:
        NothingNarrowEnough: the narrowest form breaks a limit.
    """
    groups = narrowing_groups(wide)
    before = lost(latest) or 0.0
    while not ruler.fits(latest):
        proposals = [one for group in groups if (one := _proposal(latest, group, ruler, lost)) is not None]
        if not proposals:
            raise NothingNarrowEnough(ruler.cost(latest))
        limit, used = ruler.binding(latest), ruler.used(latest)
        best = min(proposals, key=lambda one: (one.lost - before) / (used - ruler.used(one.form, limit)))
        yield best
        latest, before = best.form, best.lost
    yield from _regained(wide, latest, ruler, lost)


def _regained(wide: StageGenotype, latest: StageGenotype, ruler: Ruler, lost: Lost) -> Iterator[Narrowed]:
    """Yields the steps back that the limits have room for, always the one that regains most importance.

    A step takes out eight channels at least, and the last one may have saved more than was wanted.
    """
    while True:
        before = lost(latest) or 0.0
        found = [one for group in narrowing_groups(wide) for one in _wider(wide, latest, group, ruler, lost)]
        found = [one for one in found if one.lost < before]
        for best in sorted(found, key=lambda one: one.lost):
            if ruler.fits(best.form):
                yield best
                latest = best.form
                break
        else:
            return


def _wider(wide: StageGenotype, latest: StageGenotype, group: Group, ruler: Ruler, lost: Lost) -> Iterator[Narrowed]:
    """Yields the forms with a group that got narrower wider again, as far as each next one still fits."""
    now, first = group.size(latest), group.size(wide)
    for size in sorted({first, *narrower_sizes(wide, group)}):
        if now < size <= first:
            form = resized(latest, group, size)
            gone = lost(form)
            if gone is not None and ruler.used(form) > 1:
                return
            if gone is not None:
                yield Narrowed(group, form, ruler.cost(form), gone)


def narrowest(wide: StageGenotype, lost: Lost) -> StageGenotype:
    """Returns the form with every group as narrow as it can be cut, the wide one itself where none can."""
    latest = wide
    for group in narrowing_groups(wide):
        for form in reversed(list(_forms(latest, group))):
            if lost(form) is not None:
                latest = form
                break
    return latest


def _forms(latest: StageGenotype, group: Group) -> Iterator[StageGenotype]:
    """Yields the forms with a group ever narrower."""
    return (resized(latest, group, size) for size in narrower_sizes(latest, group))


def _proposal(latest: StageGenotype, group: Group, ruler: Ruler, lost: Lost) -> Narrowed | None:
    """Returns the widest form of a group that saves what a step should, or the one that saves most; None for none."""
    limit, used = ruler.binding(latest), ruler.used(latest)
    wanted = max(SHARE * (used - 1), LEAST)
    found: Narrowed | None = None
    most = 0.0
    for form in _forms(latest, group):
        gone = lost(form)
        if gone is None:
            continue
        saved = used - ruler.used(form, limit)
        if saved > most:
            found, most = Narrowed(group, form, ruler.cost(form), gone), saved
        if saved >= wanted:
            break
    return found
