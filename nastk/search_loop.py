"""The search: propose, skip what is known, reject what costs too much, evaluate, record; until the budget is spent."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from nastk.errors import UserError
from nastk.evaluators import EvaluationFailed, Evaluator, Pruned
from nastk.genotype import Genotype
from nastk.study import Candidate, Row, SearchStudy

CostModel = Callable[[Genotype], Mapping[str, float]]
"""Says what an untrained genotype costs where it will run."""


@dataclass(frozen=True)
class Budget:
    """When a search ends.

    Attributes:
        trials: how many different candidates to train.
        max_duplicates: end after so many proposals since the last trained candidate that were seen before.
        max_rejections: end after so many since then that broke a limit.
        max_failures: end after so many since then that failed.

    Raises:
        UserError: one of them is below 1.
    """

    trials: int = 16
    max_duplicates: int = 500
    max_rejections: int = 200
    max_failures: int = 10

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if value < 1:
                raise UserError(f"{name}={value}: expected at least 1")


def search(
    study: SearchStudy,
    evaluator: Evaluator,
    cost: CostModel,
    budget: Budget,
    finished: Callable[[Row], None],
) -> str | None:
    """Runs the search until `budget.trials` candidates are trained.

    Args:
        study: with what has been learnt so far.
        evaluator: trains a candidate.
        cost: measures an untrained candidate; called before `evaluator`.
        budget: when to end.
        finished: called with each finished trial's row.

    Returns:
        None when the budget is spent, else one line that says why the search ended before.
    """
    for row in study.unfinished():
        finished(row)
    while study.trained < budget.trials:
        ended = _why_to_end(study, budget)
        if ended is not None:
            return ended
        finished(_try_candidate(study, study.ask(), evaluator, cost))
    return None


def _try_candidate(study: SearchStudy, candidate: Candidate, evaluator: Evaluator, cost: CostModel) -> Row:
    start = time.monotonic()

    def seconds() -> float:
        return time.monotonic() - start

    twin = study.twin(candidate)
    if twin is not None:
        return study.tell_duplicate(candidate, twin, seconds())
    metrics: dict[str, float] = {}
    try:
        metrics |= cost(candidate.genotype)
        violation = study.objective.violation(metrics)
        if violation is not None:
            return study.tell_rejected(candidate, metrics, violation, seconds())
        stopping = study.early_stopping(candidate, metrics)
        last = getattr(evaluator, "epochs", None)

        def report(epoch: int, accuracy: float) -> None:
            why = stopping.should_stop(epoch, accuracy)
            if why is not None and epoch != last:  # trained to its end it has a result, and nothing is saved
                metrics.update(accuracy=accuracy, epochs=epoch)
                raise Pruned(why)

        metrics |= evaluator.evaluate(candidate.genotype, report)
    except Pruned as stop:
        return study.tell_stopped(candidate, "pruned", metrics, seconds(), str(stop))
    except EvaluationFailed as failure:
        return study.tell_stopped(candidate, "failed", metrics, seconds(), str(failure))
    return study.tell_complete(candidate, metrics, seconds())


def _why_to_end(study: SearchStudy, budget: Budget) -> str | None:
    """A run of proposals without a new result, counted back from the last trial, so that resuming changes nothing."""
    counts = {"duplicate": 0, "rejected": 0, "failed": 0}
    for row in reversed(study.rows):
        if row.state in ("complete", "pruned"):
            break
        counts[row.state] += 1
    so_far = f"{study.trained} of {budget.trials} candidates trained"
    if counts["duplicate"] >= budget.max_duplicates:
        return (
            f"no new cell: the last {counts['duplicate']} proposals without a new result repeat earlier cells "
            f"({so_far}); the space is exhausted, or the controller has converged: another seed or controller may go on"
        )
    if counts["rejected"] >= budget.max_rejections:
        return f"nothing meets the limits: {counts['rejected']} rejected in a row ({so_far}); {nearest_miss(study)}"
    if counts["failed"] >= budget.max_failures:
        last = next(row for row in reversed(study.rows) if row.state == "failed")
        return f"{counts['failed']} candidates failed in a row ({so_far}); the last: {last.reason}"
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
