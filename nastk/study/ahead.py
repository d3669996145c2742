"""Proposals that are measured before it is their turn to be judged, as many at the same time as there are machines."""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Iterable, Mapping

from nastk.genotype import Genotype
from nastk.progress import doing
from nastk.study.deaths import Watched
from nastk.study.measuring import Begun, CostsAtOnce, Measured, costs_at_once
from nastk.study.proposal import Proposal
from nastk.study.study import SearchStudy

CostModel = Callable[[Genotype], Mapping[str, float]]
"""Says what an untrained genotype costs where it will run."""

Fit = Callable[[Genotype], Genotype]
"""Makes the candidate of a genotype that was proposed: the same network as wide as the limits allow, say."""


class Ahead:
    """What proposals cost, and which candidates are made of them: begun for several, or when it is asked for.

    Where candidates are made of what was proposed, which takes several measurements of each, one after the other, these
    are made for several proposals at the same time.

    Args:
        study: that the proposals are of.
        cost: measures an untrained candidate.
        watched: in which this thread does something for a candidate.
        fit: see `SearchSetup`.

    Attributes:
        most: proposals at once.
    """

    def __init__(self, study: SearchStudy, cost: CostModel, watched: Watched, fit: Fit | None) -> None:
        self._study, self._cost, self._watched, self._fit = study, cost, watched, fit
        self._costs = costs_at_once(cost)
        self.most = 1 if self._costs is None else self._costs.count
        self._begun = Begun(self._costs)

    def begin(self, proposals: Collection[Proposal], in_flight: Iterable[str]) -> None:
        """Begins to measure proposals, each key once; those in flight and those that are known are left out."""
        if self._costs is None or len(proposals) == 1:
            return
        seen = set() if self._fit else set(in_flight)
        for proposal in proposals:
            key = proposal.genotype.key
            if key in seen or proposal.cost is not None or self._is_known(proposal):
                continue
            seen.add(key)
            if self._fit is None:
                self._begun.begin(proposal.number, functools.partial(self._written, self._costs, proposal))
            else:
                work = functools.partial(self._fit, proposal.genotype)
                self._begun.begin_several(proposal.number, work, functools.partial(self._watched, proposal.number))

    def cost(self, proposal: Proposal) -> Mapping[str, float]:
        """Returns what the candidate costs."""
        if not self._begun.has(proposal.number):
            return self._cost(proposal.genotype)
        found: Mapping[str, float] = self._begun.result(proposal.number)
        return found

    def fitted(self, proposal: Proposal) -> Proposal:
        """Returns the proposal of the candidate that is made of what was proposed."""
        if self._fit is None or proposal.cost is not None:
            return proposal
        number, candidates = proposal.number, self._study.candidates
        with doing(f"bringing trial {number} to the limits"):
            if self._begun.has(number):  # what this thread does for it is watched when it does so
                return candidates.fitted(proposal, lambda _: self._begun.result(number))
            with self._watched(number):
                return candidates.fitted(proposal, self._fit)

    def close(self) -> None:
        """Lets go of what was begun and is not wanted any more."""
        self._begun.close()

    def _written(self, costs: CostsAtOnce, proposal: Proposal) -> Measured:
        with self._watched(proposal.number), doing(f"writing trial {proposal.number}"):
            return costs.begin(proposal.genotype)

    def _is_known(self, proposal: Proposal) -> bool:
        if self._fit is not None:
            return self._study.candidates.has(proposal)
        return self._study.duplicate_of(proposal) is not None
