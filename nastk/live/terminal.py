"""The view in a terminal: drawn anew in its place, lines above it, nothing left of it at the end."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

from rich.console import Console
from rich.live import Live
from rich.text import Text

from nastk.events import Event, StepBegan
from nastk.live.beat import beating
from nastk.live.board import Board
from nastk.live.stream import lines_to
from nastk.live.view import rendered
from nastk.live.words import step_line
from nastk.progress import is_measuring

OFTEN = 0.25  # seconds between two drawings when much happens
ANEW = 1.0  # seconds between two when nothing does
STILL = 20.0  # seconds between two while times are taken


class _Cursor(Console):
    """A console that leaves the cursor alone: a process that is killed could not bring it back."""

    def show_cursor(self, show: bool = True) -> bool:
        return False


class Terminal:
    """Draws the view.

    Args:
        board: takes in what is heard.
        stream: the terminal; control characters go through it as they are.
        clock: in seconds.
    """

    def __init__(self, board: Board, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._board, self._clock = board, clock
        self._lock = threading.RLock()
        self._console = _Cursor(file=stream, force_terminal=True, highlight=False, markup=False, emoji=False)
        self._live = Live(
            console=self._console, auto_refresh=False, transient=True, redirect_stdout=False, redirect_stderr=False
        )
        self._drawn = clock()

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Shows the view in the block; what is printed to this terminal stands above it."""
        names = ("stderr", "stdout") if same_terminal() else ("stderr",)
        with self._live, lines_to(self.line, names), beating(self.beat):
            yield

    def hear(self, event: Event) -> None:
        """Takes in an event, and draws the view where that was not done just now."""
        with self._lock:
            self._board.hear(event, self._clock())
            if isinstance(event, StepBegan):
                self.line(step_line(event))
            if self._clock() - self._drawn >= OFTEN and not is_measuring():
                self._draw()

    def line(self, text: str) -> None:
        """Prints a line above the view."""
        with self._lock:
            self._console.print(Text(text), soft_wrap=True)

    def beat(self) -> float:
        """Draws the view, seldom while times are taken; returns when to look again."""
        with self._lock:
            since = self._clock() - self._drawn
            if since >= (STILL if is_measuring() else ANEW):
                self._draw()
                since = 0.0
            return ANEW - since if since < ANEW else ANEW

    def _draw(self) -> None:
        self._drawn = self._clock()
        self._live.update(rendered(self._board, self._drawn, self._console.width), refresh=True)


def same_terminal() -> bool:
    """Whether standard output and error are one terminal."""
    try:
        return sys.stdout.isatty() and os.ttyname(sys.stdout.fileno()) == os.ttyname(sys.stderr.fileno())
    except (OSError, ValueError, AttributeError):
        return False
