"""Which candidates of a search a transfer trains: the best, or those of the Pareto front and then the best others."""

from __future__ import annotations

import sys
from pathlib import Path

from nastk.genotype import Genotype
from nastk.objective import Objective
from nastk.runs.front import chosen
from nastk.runs.trials import TRIALS, read_trials


def transfer_candidates(
    folder: Path, top: int, accuracy_alone: bool = False, objective: Objective | None = None
) -> list[tuple[str, Genotype]]:
    """Returns key and genotype of at most `top` candidates, the search's best first, of equal ones the surest.

    Every candidate that the search trained to a result meets its limits: what breaks them is never trained.

    Args:
        folder: of the run.
        top: how many.
        accuracy_alone: whether all candidates were brought to the limits for one goal. Then the front's others, which
            are a little quicker and may be much less accurate, have no place before more accurate ones.
        objective: of the search, whose first metric says which candidates are the best others; None for the accuracy.

    Raises:
        UserError: the run has no result yet, or its files are damaged.
    """
    found = dict(chosen(folder, 1 if accuracy_alone else top))
    front = len(found)
    if front < top:
        complete = [trial for trial in read_trials(folder / TRIALS) if trial.state == "complete"]
        wanted = objective or Objective()
        for trial in sorted(complete, key=lambda one: (*wanted.best_first(one.metrics), one.number)):
            if len(found) < top:
                found.setdefault(trial.key, trial.genotype)
        told = [] if accuracy_alone else [_filled(front, len(found), top)]
        if len(found) < top:
            told.append(f"the search has no more than {len(found)}")
        if told:
            print(f"transfer: {'; '.join(told)}", file=sys.stderr)
    return list(found.items())


def _filled(front: int, found: int, top: int) -> str:
    filled = f"; filled up with the {found - front} next best" if found > front else ""
    return f"the Pareto front has {front} candidate(s), not {top}{filled}"
