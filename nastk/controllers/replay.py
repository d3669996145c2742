"""A state that learns from records in order of their numbers, without learning all of them again for every trial."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from nastk.controllers.history import Record

EVERY, KEPT = 8, 8


class Learner(Protocol):
    """A state: `learn` changes it in place, by a function of itself and the record alone."""

    def learn(self, record: Record) -> None: ...


S = TypeVar("S", bound=Learner)


class Replay(Generic[S]):
    """Keeps the state after all records seen so far, always equal to the one a fresh object would work out.

    Trials that run side by side finish out of order. One that finishes late belongs in the middle, so states are kept
    from time to time to go back to.

    Args:
        start: makes the state before any record; copies of this keep nothing else, and learn again.
    """

    def __init__(self, start: Callable[[], S]) -> None:
        self._start = start
        self._state: S | None = None
        self._learnt: list[Record] = []
        self._kept: list[tuple[int, S]] = []

    def __reduce__(self) -> tuple[type[Replay[S]], tuple[Callable[[], S]]]:
        return Replay, (self._start,)

    def state(self, records: list[Record]) -> S:
        """Returns the state after learning `records` in their order; not to be changed by the caller."""
        if self._state is None:
            self._learnt, self._kept = [], []
        common = 0
        for known, record in zip(self._learnt, records, strict=False):
            if known is not record:
                break
            common += 1
        if common < len(self._learnt):
            self._go_back(common)
        # Until it is through, the state is nobody's: Ctrl-C in a notebook must not leave a record half learnt.
        state, self._state = self._start() if self._state is None else self._state, None
        for record in records[len(self._learnt) :]:
            if len(self._learnt) % EVERY == 0:
                self._kept = [*self._kept[-KEPT:], (len(self._learnt), copy.deepcopy(state))]
            state.learn(record)
            self._learnt.append(record)
        self._state = state
        return state

    def _go_back(self, count: int) -> None:
        while self._kept and self._kept[-1][0] > count:
            self._kept.pop()
        if self._kept:
            at, state = self._kept.pop()
        else:
            at, state = 0, self._start()
        self._state = state
        self._learnt = self._learnt[:at]
