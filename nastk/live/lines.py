"""Plain lines, for files, pipes and terminals that can no more: what has happened, and signs of life between."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TextIO

from nastk.events import Counted, EpochEnded, Event, StepBegan, TrialEnded
from nastk.live.beat import beating, look_again
from nastk.live.board import Board
from nastk.live.stream import lines_to
from nastk.live.words import count_line, status, step_line, training_line, trial_line

QUIET = 20.0  # seconds without a line, at most; what keeps Python from running adds to them
SELDOM = 10.0  # seconds between two lines on one training or count


class Lines:
    """Prints a line a trial, lines now and then on what takes long, and one where there was none for `QUIET` seconds.

    Args:
        board: takes in what is heard.
        stream: that lines go to.
        clock: in seconds.
        silent: seconds that there was no line for when it began.
    """

    def __init__(
        self, board: Board, stream: TextIO, clock: Callable[[], float] = time.monotonic, silent: float = 0.0
    ) -> None:
        self._board, self._stream, self._clock = board, stream, clock
        self._lock = threading.RLock()
        self._last = clock() - silent

    @contextmanager
    def shown(self, alive: bool = True) -> Iterator[None]:
        """Prints what is written to standard error too; `alive`: and signs of life."""
        with ExitStack() as stack:
            if alive:
                stack.enter_context(lines_to(self.line))
                stack.enter_context(beating(self.beat))
            yield

    def hear(self, event: Event) -> None:
        """Takes in an event, and prints what is worth a line."""
        now = self._clock()
        with self._lock:
            self._board.hear(event, now)
            line = self._told(event, now)
            if line is not None:
                self.line(line)

    def line(self, text: str) -> None:
        """Prints a line."""
        with self._lock:
            self._last = self._clock()
            print(text, file=self._stream, flush=True)

    def beat(self) -> float:
        """Prints how far the command is, where nothing was printed for so long; returns when to look again."""
        with self._lock:
            now = self._clock()
            return look_again(QUIET, now - self._last, lambda: self.line(status(self._board, now)))

    def _told(self, event: Event, now: float) -> str | None:
        board = self._board
        match event:
            case StepBegan():
                return step_line(event)
            case TrialEnded() if board.search is not None:
                return trial_line(event, board.search, now)
            case EpochEnded() if board.training is not None:
                due = event.epoch == event.epochs or now - self._last >= SELDOM
                return training_line(board.training) if due else None
            case Counted() if not event.ended:
                return count_line(board.counts[event.what], now) if now - self._last >= SELDOM else None
            case _:
                return None  # what was said is printed
