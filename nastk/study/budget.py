"""When a search ends: its budget, and what says that going on is of no use."""

from __future__ import annotations

from dataclasses import dataclass

from nastk.errors import UserError
from nastk.events import TRAINED
from nastk.runs.trials import Row
from nastk.study.study import SearchStudy

MOST = 10**7


@dataclass(frozen=True)
class Budget:
    """When a search ends.

    Attributes:
        trials: how many different candidates to train.
        max_duplicates: end after so many proposals since the last trained candidate that were seen before.
        max_rejections: end after so many since then that broke a limit.
        max_failures: end after so many since then that failed.

    Raises:
        UserError: one of them is below 1 or absurd.
    """

    trials: int = 16
    max_duplicates: int = 500
    max_rejections: int = 200
    max_failures: int = 10

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not 1 <= value <= MOST:
                raise UserError(f"{name}={value}: expected at least 1, at most {MOST}")


def why_to_end(study: SearchStudy, budget: Budget) -> str | None:
    """Returns why there should be no more proposals, None where there should.

    A run of proposals without a new result is counted back from the last trial, so that resuming changes nothing.
    """
    counts = {"duplicate": 0, "rejected": 0, "failed": 0}
    for row in reversed(study.rows):
        if row.state in TRAINED:
            break
        counts[row.state] += 1
    so_far = f"{study.trained} of {budget.trials} candidates trained"
    if counts["duplicate"] >= budget.max_duplicates:
        return (
            f"no new cell: the last {counts['duplicate']} proposals without a new result repeat earlier cells "
            f"({so_far}); the space is exhausted, or the controller has converged: another seed or controller may go on"
        )
    if counts["rejected"] >= budget.max_rejections:
        rejected = f"{counts['rejected']} rejected, none trained between"
        return f"nothing meets the limits: {rejected} ({so_far}); {nearest_miss(study)}"
    if counts["failed"] >= budget.max_failures:
        last = next(row for row in reversed(study.rows) if row.state == "failed")
        return f"{counts['failed']} candidates failed, none trained between ({so_far}); the last: {last.reason}"
    return None


def nearest_miss(study: SearchStudy) -> str:
    """Returns a sentence on the rejected candidate that came nearest to the limits."""
    limits = study.objective.limits
    rejected = [row for row in study.rows if row.state == "rejected"]

    def amount(row: Row) -> float:
        return sum(max(0.0, row.metrics[name] / limit - 1) for name, limit in limits.items())

    if not rejected:
        return "none was near"
    best = min(rejected, key=amount)
    return f"the nearest miss is trial {best.number}: {best.reason}"
