"""The search: propose, skip what is known, reject what costs too much, evaluate, record; until the budget is spent."""

from __future__ import annotations

import functools
from dataclasses import dataclass

from nastk.errors import UserError
from nastk.executors import Executor, Streaming
from nastk.runs.trials import Row
from nastk.study.deaths import Watched, unwatched
from nastk.study.rounds import CostModel, Round, Watch
from nastk.study.stream import search_on
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


def search(
    study: SearchStudy,
    executor: Executor,
    cost: CostModel,
    budget: Budget,
    finished: Watch,
    trained: Watch = lambda row: None,
    size: int | None = None,
    watched: Watched = unwatched,
) -> str | None:
    """Runs the search until `budget.trials` candidates are trained.

    It goes on in rounds: up to `size` candidates are proposed one after another, their costs measured while nothing
    else runs, then trained side by side, then told to the study in the order of their numbers. What a round proposes
    depends on the finished rounds and not on which candidate is the first to end. An executor that says so is handed
    one candidate after another instead, see `Window`.

    Args:
        study: with what has been learnt so far.
        executor: trains candidates; entered.
        cost: measures an untrained candidate; called before it is trained.
        budget: when to end.
        finished: called with each trial's row once the study was told.
        trained: called with a trained candidate's row as soon as it has one.
        size: how many candidates make a round; by default as many as the executor trains at once.
        watched: in which a candidate is measured, and trained where this process does so, see `nastk.study.deaths`.

    Returns:
        None when the budget is spent, else one line that says why the search ended before.
    """
    size = size or executor.parallel
    for row in study.unfinished():
        finished(row)
    if isinstance(executor, Streaming) and not executor.rounds:
        why_to_end = functools.partial(_why_to_end, study, budget)
        return search_on(study, executor, cost, budget.trials, why_to_end, finished, trained, watched)
    while study.trained < budget.trials or study.half_told:
        for row in study.news():
            finished(row)
        executor.ready(min(size, budget.trials - study.trained))
        current = Round(study, executor, watched)
        ended = None
        while study.interrupted or not current.full(size, budget.trials):
            ended = None if study.interrupted else _why_to_end(study, budget)
            if ended is not None:
                break
            answered = current.take(study.ask(), cost)
            if answered is not None:
                finished(answered)
        if not current.accepted:
            if ended is not None:
                return ended
            study.wait()  # other drivers train what is left of the budget
        current.train(trained)
        for row in current.tell():
            finished(row)
    return None


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
