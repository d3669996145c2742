"""A search without rounds: the next candidate is proposed as soon as one ends, and each result told as it comes."""

from __future__ import annotations

from collections.abc import Callable

from nastk.executors import Later, Streaming, Task
from nastk.runs.trials import Row
from nastk.study.deaths import Watched, unwatched
from nastk.study.rounds import CostModel, Entry, Round, Watch
from nastk.study.study import SearchStudy


class Window(Round):
    """The candidates under way; one that ends makes room for another.

    What is proposed and judged depends on which ends first, so two searches of one seed differ. A killed one goes on
    with its open trials, then with new proposals: each is accounted for once, in other words than an unbroken search.

    Args:
        study: that the candidates belong to.
        executor: that trains them.
        cost: measures an untrained candidate.
        trials: how many candidates are to be trained.
        why_to_end: says why there should be no more proposals, or None.
        finished: called with each trial's row once the study was told.
        trained: called with a trained candidate's row first.
        watched: in which a candidate is measured.
    """

    def __init__(
        self,
        study: SearchStudy,
        executor: Streaming,
        cost: CostModel,
        trials: int,
        why_to_end: Callable[[], str | None],
        finished: Watch,
        trained: Watch,
        watched: Watched = unwatched,
    ) -> None:
        super().__init__(study, executor, watched)
        self._streaming = executor
        self._cost = cost
        self._trials = trials
        self._why_to_end = why_to_end
        self._finished = finished
        self._trained = trained
        self._handed: list[Entry] = []
        self.ended: str | None = None

    def slide(self) -> bool:
        """Proposes, trains and tells until there is no more to do; returns whether anything was trained."""
        for index, result in self._streaming.stream(self._next):
            entry = self._handed[index]
            entry.row = self._record(entry, result)
            self._settle(entry, entry.row)
        return bool(self._handed)

    def _next(self) -> Task | Later | None:
        """Proposes one candidate; a worker's report is not to wait while many are refused."""
        study = self._study
        for row in study.news():
            self._finished(row)
        self.ended = None
        if not study.interrupted:
            if self.full(self._streaming.parallel, self._trials):
                return None
            self.ended = self._why_to_end()
            if self.ended is not None:
                return None
        before = len(self.accepted)
        answered = self.take(study.ask(), self._cost)
        if answered is not None:
            self._finished(answered)
        if len(self.accepted) == before:
            return Later.AT_ONCE
        entry = self.accepted[-1]
        if entry.row is not None:  # it was trained before a kill, and only not told
            self._settle(entry, entry.row)
            return Later.AT_ONCE
        self._handed.append(entry)
        return self._task(entry)

    def _settle(self, entry: Entry, row: Row) -> None:
        self._trained(row)
        twins = [twin for twin, first in self._twins if first is entry]
        self._twins = [(twin, first) for twin, first in self._twins if first is not entry]
        self.accepted = [other for other in self.accepted if other is not entry]
        self._finished(self._study.finish(entry.candidate, row))
        for twin in twins:
            copied = self._study.record_duplicate(twin.candidate, row, twin.seconds)
            self._finished(self._study.finish(twin.candidate, copied))


def search_on(
    study: SearchStudy,
    executor: Streaming,
    cost: CostModel,
    trials: int,
    why_to_end: Callable[[], str | None],
    finished: Watch,
    trained: Watch,
    watched: Watched = unwatched,
) -> str | None:
    """Runs the search as `search_loop.search` does, without rounds; returns why it ended before the budget was spent.

    Args:
        study, executor, cost, trials, why_to_end, finished, trained, watched: see `Window`.
    """
    while study.trained < trials or study.half_told:
        executor.ready(min(executor.parallel, max(1, trials - study.trained)))
        window = Window(study, executor, cost, trials, why_to_end, finished, trained, watched)
        some = window.slide()
        if window.ended is not None:
            return window.ended
        if not some:
            study.wait()  # other drivers train what is left of the budget
    return None
