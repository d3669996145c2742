"""JSON lines for programs that watch a command: what happens, every line it says, and signs of life."""

from __future__ import annotations

import json
import math
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, TextIO

from nastk.events import (
    Counted,
    EpochEnded,
    Event,
    Said,
    SearchBegan,
    TrialBegan,
    TrialEnded,
    TrialEpoch,
    WorkBegan,
    WorkEnded,
)
from nastk.live.beat import beating, look_again
from nastk.live.board import OTHERS, Board
from nastk.live.lines import QUIET
from nastk.live.stream import lines_to
from nastk.live.words import status

SELDOM = 5.0  # seconds between two lines on one count


class JsonLines:
    """Prints an object a line: `time`, `event`, its fields, and of a search or a training how far it is.

    Args:
        board: takes in what is heard.
        stream: that lines go to.
        clock: in seconds.
        now: the time of day.
        silent: seconds that there was no line for when it began.
    """

    def __init__(
        self,
        board: Board,
        stream: TextIO,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        silent: float = 0.0,
    ) -> None:
        self._board, self._stream, self._clock, self._now = board, stream, clock, now
        self._lock = threading.RLock()
        self._last = clock() - silent
        self._counted: dict[str, float] = {}

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Makes an object of every line that is written to standard error too."""
        with lines_to(self._said), beating(self.beat):
            yield

    def hear(self, event: Event) -> None:
        """Takes in an event and prints it; of counts not every one."""
        with self._lock:
            now = self._clock()
            self._board.hear(event, now)
            if isinstance(event, WorkBegan | WorkEnded) or (isinstance(event, Counted) and not self._due(event, now)):
                return  # signs of life tell what is being done
            self._print(_name(event), {**asdict(event), **self._added(event, now)})

    def beat(self) -> float:
        """Prints how far the command is, where nothing was printed for so long; returns when to look again."""
        with self._lock:
            now = self._clock()
            return look_again(QUIET, now - self._last, lambda: self._alive(now))

    def _alive(self, now: float) -> None:
        doing = [{"what": what, "seconds": round(now - since, 1)} for what, since in self._board.doing]
        self._print("alive", {"text": status(self._board, now), "doing": doing, **self._so_far(now)})

    def _said(self, text: str) -> None:
        if text.strip():
            self.hear(Said(text))

    def _due(self, event: Counted, now: float) -> bool:
        due = event.ended or now - self._counted.get(event.what, -math.inf) >= SELDOM
        if due:
            self._counted[event.what] = now
        if event.ended:
            self._counted.pop(event.what)
        return due

    def _added(self, event: Event, now: float) -> dict[str, Any]:
        if isinstance(event, SearchBegan | TrialBegan | TrialEpoch | TrialEnded):
            return self._so_far(now)
        if isinstance(event, EpochEnded) and self._board.training is not None:
            return {"seconds_left": self._board.training.seconds_left()}
        if isinstance(event, Counted) and event.what in self._board.counts:
            return {"seconds_left": self._board.counts[event.what].seconds_left(now)}
        return {}

    def _so_far(self, now: float) -> dict[str, Any]:
        search = self._board.search
        if search is None:
            return {}
        best = search.best and {"number": search.best.number, "key": search.best.key, "metrics": search.best.metrics}
        return {
            "so_far": {
                "done": search.done,
                "trained": search.trained,
                "trials": search.trials,
                **{state: search.states[state] for state in OTHERS},
                "per_hour": search.per_hour(now),
                "seconds_left": search.seconds_left(now),
                "best": best,
            }
        }

    def _print(self, event: str, fields: Mapping[str, Any]) -> None:
        self._last = self._clock()
        line = {"time": self._now().isoformat(timespec="milliseconds"), "event": event, "step": self._board.step}
        print(json.dumps(_plain({**line, **fields}), allow_nan=False), file=self._stream, flush=True)


def _name(event: Event) -> str:
    """Returns "trial_ended" for a `TrialEnded`."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", type(event).__name__).lower()


def _plain(value: Any) -> Any:
    """Returns what JSON can hold, with null for numbers that are not finite."""
    if isinstance(value, Mapping):
        return {str(name): _plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, str | int):
        return value
    item = getattr(value, "item", None)
    return _plain(item()) if callable(item) else str(value)
