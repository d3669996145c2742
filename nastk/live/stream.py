"""Standard error while a command is shown: whole lines go to what shows it, and none lands in the middle of a view."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TextIO, cast

from nastk.console import visible

_replaced: list[tuple[dict[str, Any], dict[str, LineStream]]] = []


class LineStream:
    """A text stream that hands on whole lines.

    A line that is drawn again and again by a carriage return, as other libraries' bars are, counts as it was in the
    end. It is no terminal, whatever it stands for: libraries then draw no bars of their own.

    Args:
        stream: that it stands for.
        line: gets each line, control characters made visible, without its end.
    """

    def __init__(self, stream: TextIO, line: Callable[[str], None]) -> None:
        self._stream, self._line = stream, line
        self._begun, self._lock = "", threading.RLock()
        self._over = False

    def write(self, text: str) -> int:
        """Takes text, and hands on the lines that end in it."""
        if self._over:  # who keeps the stream, as a logger does, goes on with that which it stood for
            self._stream.write(text)
            return len(text)
        with self._lock:
            *whole, self._begun = (self._begun + text).split("\n")
            for line in whole:
                self._line(_shown(line))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Takes several texts."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Flushes what was handed on; a line that has not ended waits for its end."""
        self._stream.flush()

    def isatty(self) -> bool:
        """Says no until it is over."""
        return self._over and self._stream.isatty()

    def close_line(self) -> None:
        """Hands on what has not ended; the stream lets all through from now on."""
        with self._lock:
            if self._begun.strip():
                self._line(_shown(self._begun))
            self._begun, self._over = "", True

    def forget(self) -> None:
        """Lets all through in a forked child, without the lock: a thread that the child has not may hold it."""
        self._begun, self._over, self._lock = "", True, threading.RLock()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _shown(line: str) -> str:
    return visible(line.rstrip("\r").rpartition("\r")[2])


@contextmanager
def lines_to(line: Callable[[str], None], names: Iterable[str] = ("stderr",)) -> Iterator[None]:
    """Hands on what is written to standard streams in the block, a line at a time.

    Args:
        line: gets each line.
        names: of the streams, "stderr" or "stdout".
    """
    before = {name: getattr(sys, name) for name in names}
    own = {name: LineStream(stream, line) for name, stream in before.items()}
    _replaced.append((before, own))
    for name, stream in own.items():
        setattr(sys, name, cast(TextIO, stream))
    try:
        yield
    finally:
        for name, stream in own.items():
            if getattr(sys, name) is stream:
                setattr(sys, name, before[name])
            stream.close_line()
        _replaced.remove((before, own))


def _forget() -> None:
    """In a forked child: the lock may be held by a thread that it has not, and it has no view."""
    for before, own in reversed(_replaced):
        for name, stream in before.items():
            setattr(sys, name, stream)
        for kept in own.values():  # which a logger may keep
            kept.forget()
    _replaced.clear()


os.register_at_fork(after_in_child=_forget)
