"""Candidates on their way through workers that may die: waiting for one, in training, to be trained again."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

from nastk.evaluators import Pruned, Report
from nastk.executors import Next, NoTask, Task

Worker = TypeVar("Worker")


@dataclass(frozen=True)
class Waiting:
    """A candidate that waits for a worker: its task, the index of that, and which attempt it will be, from 1."""

    index: int
    task: Task
    number: int = 1


@dataclass(frozen=True)
class Attempt(Generic[Worker]):
    """A candidate in training.

    Attributes:
        waiting: what it was before.
        worker: that trains it.
        report: what its epochs are handed to.
        deadline: when it is given up, by the monotonic clock; None for never.
    """

    waiting: Waiting
    worker: Worker
    report: Report
    deadline: float | None

    @classmethod
    def begun(cls, waiting: Waiting, worker: Worker, max_seconds: float | None) -> Attempt[Worker]:
        """Returns an attempt whose time counts from now."""
        deadline = None if max_seconds is None else time.monotonic() + max_seconds
        return cls(waiting, worker, waiting.task.begin(), deadline)

    @property
    def is_late(self) -> bool:
        """Whether it is to be given up."""
        return self.deadline is not None and self.deadline <= time.monotonic()


class TaskQueue:
    """The next candidates to train: those whose worker died, then what the search proposes.

    Args:
        more: returns a new one.
    """

    def __init__(self, more: Next) -> None:
        self._more = more
        self._again: deque[Waiting] = deque()
        self._taken = 0

    def next(self) -> Waiting | NoTask:
        """Returns the next, or why there is none."""
        if self._again:
            return self._again.popleft()
        offered = self._more()
        if isinstance(offered, NoTask):
            return offered
        self._taken += 1
        return Waiting(self._taken - 1, offered)

    def again(self, waiting: Waiting) -> None:
        """Has a candidate trained once more, before all others."""
        self._again.appendleft(Waiting(waiting.index, waiting.task, waiting.number + 1))


def seconds_left(attempts: Iterable[Attempt[Worker]]) -> float | None:
    """Returns the seconds to the first deadline, None where there is none."""
    deadlines = [attempt.deadline for attempt in attempts if attempt.deadline is not None]
    return max(0.0, min(deadlines) - time.monotonic()) if deadlines else None


def why_stop(report: Report, epoch: int, accuracy: float) -> str | None:
    """Hands an epoch on; returns why the candidate is to be stopped, or None."""
    try:
        report(epoch, accuracy)
    except Pruned as stop:
        return str(stop)
    return None
