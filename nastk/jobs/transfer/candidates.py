"""Which candidates of a search a transfer trains: those of the Pareto front, then the best of the others."""

from __future__ import annotations

import sys
from pathlib import Path

from nastk.genotype import Genotype
from nastk.objective import quality
from nastk.runs.front import chosen
from nastk.runs.trials import TRIALS, read_trials


def transfer_candidates(folder: Path, top: int) -> list[tuple[str, Genotype]]:
    """Returns key and genotype of at most `top` candidates, the search's best first.

    Every candidate that the search trained to a result meets its limits: what breaks them is never trained.

    Raises:
        UserError: the run has no result yet, or its files are damaged.
    """
    found = dict(chosen(folder, top))
    front = len(found)
    if front < top:
        complete = [trial for trial in read_trials(folder / TRIALS) if trial.state == "complete"]
        for trial in sorted(complete, key=lambda trial: (-quality(trial.metrics), trial.number)):
            if len(found) < top:
                found.setdefault(trial.key, trial.genotype)
        others = len(found) - front
        filled = f"; filled up with the {others} next best" if others else ""
        short = f"; the search has no more than {len(found)}" if len(found) < top else ""
        print(f"transfer: the Pareto front has {front} candidate(s), not {top}{filled}{short}", file=sys.stderr)
    return list(found.items())
