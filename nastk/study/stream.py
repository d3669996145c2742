"""The candidates of a search as its executor asks for them: proposed, judged, trained, recorded, told."""

from __future__ import annotations

import functools
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from nastk.evaluators import EvaluationFailed, Report
from nastk.events import TrialBegan, TrialEpoch, tell
from nastk.executors import Executor, NoTask, Task
from nastk.progress import doing
from nastk.runs.trials import Row
from nastk.study.ahead import Ahead, CostModel, Fit
from nastk.study.budget import Budget, why_to_end
from nastk.study.deaths import Watched
from nastk.study.in_flight import InFlight
from nastk.study.proposal import Proposal
from nastk.study.study import SearchStudy

OnRow = Callable[[Row], None]
"""Is called with a trial's row."""


@dataclass(frozen=True)
class SearchSetup:
    """What a search works with; see `nastk.study.loop.search`.

    Attributes:
        study: with what has been learnt so far.
        executor: trains candidates; entered.
        cost: measures an untrained candidate.
        budget: when to end.
        finished: is called with each trial's row once the study was told.
        trained: is called with a trained candidate's row as soon as it has one.
        size: how many candidates are in flight at most.
        watched: in which a candidate is measured, and trained where this process does so, see `nastk.study.deaths`.
        fit: makes the candidate of what was proposed; None: it is the candidate.
    """

    study: SearchStudy
    executor: Executor
    cost: CostModel
    budget: Budget
    finished: OnRow
    trained: OnRow
    size: int
    watched: Watched
    fit: Fit | None = None


class CandidateStream:
    """Candidates on their way from proposal to result, handed to the executor one by one.

    Where the executor works in rounds, all of a round are proposed before the first is trained, and told in the order
    of their numbers when all are: nothing that is proposed or judged depends on which of them was the first to end. A
    round that a kill interrupted is put together again from the study: its open trials are taken first, and what was
    recorded of them is not done again.

    Else the next is proposed as soon as a worker has nothing to do, and each is told as it ends. Two such searches of
    one seed differ. A killed one goes on with its open trials, then with new proposals: each is accounted for once, in
    other words than an unbroken search.

    Args:
        setup: of the search.

    Attributes:
        ended: why there are no more proposals though the budget is not spent, or None.
    """

    def __init__(self, setup: SearchSetup) -> None:
        self._setup = setup
        self._study = setup.study
        self._rounds = setup.executor.rounds
        self._last_epoch = setup.executor.evaluator.epochs
        self._in_flight: list[InFlight] = []
        self._untrained: deque[InFlight] = deque()
        self._handed: list[InFlight] = []
        self._some = False
        self._proposed = False
        self._asked: deque[Proposal] = deque()
        self._ahead = Ahead(setup.study, setup.cost, setup.watched, setup.fit)
        self.ended: str | None = None

    def run(self) -> bool:
        """Proposes, trains and tells, a round or until there is no more; returns whether any candidate was accepted."""
        try:
            for index, result in self._setup.executor.stream(self._next):
                candidate = self._handed[index]
                candidate.record(self._study, result)
                self._has_result(candidate)
        finally:
            self._ahead.close()
        self._tell(self._in_flight)
        return self._some

    def _next(self) -> Task | NoTask:
        """Returns a candidate to train. A worker's report does not wait while many proposals are answered at once."""
        more = not (self._rounds and self._proposed)
        if more:
            for row in self._study.new_rows():
                self._setup.finished(row)
            more = self._propose()
            while more and self._rounds:
                more = self._propose()
            self._proposed = True
        if self._untrained:
            candidate = self._untrained.popleft()
            self._handed.append(candidate)
            return self._task(candidate)
        return NoTask.ASK_AGAIN if more else NoTask.WAIT

    def _propose(self) -> bool:
        """Asks for a proposal and screens it; returns False where there is to be none."""
        self.ended = None
        if not self._asked and not self._study.interrupted:
            if self._full:
                return False
            self.ended = why_to_end(self._study, self._setup.budget)
            if self.ended is not None:
                return False
        if not self._asked:
            self._ask()
        answered = self._taken(self._asked.popleft())
        if answered is not None:
            self._setup.finished(answered)
        return True

    def _ask(self) -> None:
        """Asks for a proposal or, where several are measured at once, for as many, and begins to measure them."""
        again = self._study.interrupted  # new ones wait for what becomes of these, as they did before the kill
        with doing("choosing a candidate"):
            self._asked.append(self._study.ask())
            while len(self._asked) < self._ahead.most and (self._study.interrupted if again else not self._full):
                self._asked.append(self._study.ask())
        self._ahead.begin(self._asked, (candidate.key for candidate in self._in_flight))

    @property
    def _full(self) -> bool:
        """Whether there are enough candidates, or enough to spend the budget, or some that a kill left trained."""
        size, accepted = self._setup.size, len(self._in_flight) + len(self._asked)
        return (
            accepted >= size
            # A space with fewer cells than that would never fill a round.
            or sum(len(candidate.duplicates) for candidate in self._in_flight) >= size
            or self._study.trained + self._study.in_flight_elsewhere + accepted >= self._setup.budget.trials
            or any(candidate.row is not None for candidate in self._in_flight)
        )

    def _taken(self, proposal: Proposal) -> Row | None:
        """Makes the candidate of a proposal and screens it; one of which none can be made fails."""
        candidate = InFlight(proposal, row=proposal.row)
        try:
            candidate.proposal = self._ahead.fitted(proposal)
        except EvaluationFailed as failure:
            return self._failed(candidate, failure)
        return self._screen(candidate)

    def _screen(self, candidate: InFlight) -> Row | None:
        """Accepts a candidate for training, or answers it at once.

        Returns:
            the row of one that needs no training: a repeated one, one over a limit, one without a cost.
        """
        study, proposal = self._study, candidate.proposal
        if proposal.cost is not None:
            candidate.metrics |= proposal.cost
            self._accept(candidate)
            return None
        known = study.duplicate_of(proposal)
        if known is not None:
            return study.finish(proposal, study.record_duplicate(proposal, known, candidate.seconds))
        first = next((other for other in self._in_flight if other.key == candidate.key), None)
        if first is not None:
            first.duplicates.append(candidate)
            return None
        try:
            with self._setup.watched(proposal.number), doing(f"measuring trial {proposal.number}"):
                candidate.metrics |= self._ahead.cost(proposal)
        except EvaluationFailed as failure:
            return self._failed(candidate, failure)
        violation = study.objective.violation(candidate.metrics)
        if violation is not None:
            row = study.record_rejected(proposal, candidate.metrics, violation, candidate.seconds)
            return study.finish(proposal, row)
        study.accept(proposal, candidate.metrics)
        self._accept(candidate)
        return None

    def _failed(self, candidate: InFlight, failure: EvaluationFailed) -> Row:
        row = self._study.record_stopped(candidate.proposal, "failed", {}, candidate.seconds, str(failure))
        return self._study.finish(candidate.proposal, row)

    def _accept(self, candidate: InFlight) -> None:
        self._some = True
        self._in_flight.append(candidate)
        if candidate.row is None:
            self._untrained.append(candidate)
        else:  # it was trained before a kill, and only not told
            self._has_result(candidate)

    def _task(self, candidate: InFlight) -> Task:
        proposal = candidate.proposal
        begin = functools.partial(self._begun, candidate)
        return Task(proposal.genotype, begin, functools.partial(self._setup.watched, proposal.number))

    def _begun(self, candidate: InFlight) -> Report:
        """Tells that a candidate is trained from now on; returns what its epochs are reported to."""
        number, judged = candidate.proposal.number, candidate.report_to(self._study, self._last_epoch)
        tell(TrialBegan(number, candidate.key))

        def report(epoch: int, accuracy: float) -> None:
            tell(TrialEpoch(number, epoch, accuracy))
            judged(epoch, accuracy)

        return report

    def _has_result(self, candidate: InFlight) -> None:
        assert candidate.row is not None
        self._setup.trained(candidate.row)
        if not self._rounds:
            self._tell([candidate])

    def _tell(self, candidates: Iterable[InFlight]) -> None:
        """Tells the study results in the order of the trials' numbers."""
        told = [pair for candidate in candidates for pair in candidate.with_duplicates(self._study)]
        self._in_flight = [candidate for candidate in self._in_flight if candidate not in candidates]
        for proposal, row in sorted(told, key=lambda pair: pair[0].number):
            self._setup.finished(self._study.finish(proposal, row))
