"""The search: propose, skip what is known, reject what costs too much, evaluate, record; until the budget is spent."""

from __future__ import annotations

from nastk.executors import Executor
from nastk.progress import doing
from nastk.study.ahead import CostModel, Fit
from nastk.study.budget import Budget
from nastk.study.deaths import Watched, unwatched
from nastk.study.stream import CandidateStream, OnRow, SearchSetup
from nastk.study.study import SearchStudy


def search(
    study: SearchStudy,
    executor: Executor,
    cost: CostModel,
    budget: Budget,
    finished: OnRow,
    trained: OnRow = lambda row: None,
    size: int | None = None,
    watched: Watched = unwatched,
    fit: Fit | None = None,
) -> str | None:
    """Runs the search until `budget.trials` candidates are trained.

    Where the executor works in rounds, up to `size` candidates are proposed one after another, their costs measured
    while nothing else runs, then trained side by side, then told to the study in the order of their numbers. What a
    round proposes depends on the finished rounds and not on which candidate is the first to end. Another executor gets
    the next candidate as soon as one ends, see `CandidateStream`.

    Args:
        study: with what has been learnt so far.
        executor: trains candidates; entered.
        cost, budget, finished, trained, watched, fit: see `SearchSetup`.
        size: how many candidates make a round; by default as many as the executor trains at once.

    Returns:
        None when the budget is spent, else one line that says why the search ended before.
    """
    most = size if size and executor.rounds else executor.parallel
    setup = SearchSetup(study, executor, cost, budget, finished, trained, most, watched, fit)
    for row in study.unfinished():
        finished(row)
    while study.trained < budget.trials or study.has_untold_results:
        with doing("starting what candidates are trained in"):
            executor.ready(min(most, max(1, budget.trials - study.trained)))
        stream = CandidateStream(setup)
        if not stream.run():
            if stream.ended is not None:
                return stream.ended
            with doing("waiting for other drivers"):
                study.wait()  # other drivers train what is left of the budget
    return None
