"""What became of proposals that are made into another candidate first: kept with the trial, the same for the same."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from optuna.trial import FrozenTrial, Trial

from nastk.genotype import Genotype
from nastk.study.proposal import Proposal

FITTED = "fitted"  # of a trial: the key of what was proposed, and the candidate that was made of it


class FittedCandidates:
    """The candidates of a study by the key of what was proposed.

    Making one may measure, which comes out differently each time; so it is done once for each proposal, and what is
    proposed again is the same candidate, after a kill too.

    Args:
        trials: of the study, as it was opened.
    """

    def __init__(self, trials: Iterable[FrozenTrial]) -> None:
        known = [trial.user_attrs[FITTED] for trial in trials if FITTED in trial.user_attrs]
        self._known = {one["key"]: Genotype.from_dict(one["genotype"]) for one in known}

    def of(self, trial: Trial, proposed: Genotype) -> Genotype:
        """Returns the candidate that a trial has recorded; what was proposed where it has none."""
        fitted = trial.user_attrs.get(FITTED)
        return proposed if fitted is None else Genotype.from_dict(fitted["genotype"])

    def has(self, proposal: Proposal) -> bool:
        """Says whether the candidate of what was proposed is known."""
        return FITTED in proposal.trial.user_attrs or proposal.genotype.key in self._known

    def fitted(self, proposal: Proposal, fit: Callable[[Genotype], Genotype]) -> Proposal:
        """Returns the proposal of the candidate that `fit` makes of what was proposed, recorded with its trial."""
        if FITTED in proposal.trial.user_attrs:
            return proposal
        key = proposal.genotype.key
        if key not in self._known:
            self._known[key] = fit(proposal.genotype)
        candidate = self._known[key]
        proposal.trial.set_user_attr(FITTED, {"key": key, "genotype": candidate.to_dict()})
        return replace(proposal, genotype=candidate)
