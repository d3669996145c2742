"""How a step tells that something takes a while: what it does, how much of it is done, and when it takes times."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from types import TracebackType

from nastk.events import Counted, WorkBegan, WorkEnded, tell

OFTEN = 0.2  # seconds between two words on one count
_measuring: list[None] = []


@contextlib.contextmanager
def doing(what: str) -> Iterator[None]:
    """Tells what is being done in the block, such as "calibrating int8 on 256 images"."""
    tell(WorkBegan(what))
    try:
        yield
    finally:
        tell(WorkEnded(what))


@contextlib.contextmanager
def measuring() -> Iterator[None]:
    """Says that times are taken in the block: what shows the progress keeps as still as it can."""
    _measuring.append(None)
    try:
        yield
    finally:
        _measuring.pop()


def is_measuring() -> bool:
    """Whether times are taken just now."""
    return bool(_measuring)


class Count:
    """Tells how much of a work is done, at most every fifth of a second; a context, at whose end it is over.

    Args:
        what: see `nastk.events.Counted`.
        total: how much there is.
        unit: of what.
        before: how much was done in another sitting.
    """

    def __init__(self, what: str, total: int, unit: str, before: int = 0) -> None:
        self._what, self.total, self._unit, self._before = what, total, unit, before
        self.done, self._note, self._told = before, "", 0.0

    def __enter__(self) -> Count:
        self._tell()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._tell(ended=True)

    def add(self, more: int = 1) -> None:
        """Counts what has been done since."""
        self.to(self.done + more)

    def to(self, done: int) -> None:
        """Says how much is done by now."""
        self.done = done
        if time.monotonic() - self._told >= OFTEN:
            self._tell()

    def skip(self, more: int) -> None:
        """Counts what needs not be done, or was done in another sitting."""
        self._before += more
        self.to(self.done + more)

    def note(self, note: str) -> None:
        """Says something beside the count, such as the best so far; told with the next count."""
        self._note = note

    def _tell(self, ended: bool = False) -> None:
        self._told = time.monotonic()
        tell(Counted(self._what, self.done, self.total, self._unit, self._before, self._note, ended))
