"""How a command is shown while it runs, by its setting `log` and what standard error is."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TextIO

from nastk.checks import check_name
from nastk.events import heard
from nastk.live.board import Board
from nastk.live.json_lines import JsonLines
from nastk.live.lines import Lines

if TYPE_CHECKING:
    from nastk.live.terminal import Terminal

AUTO, LINES, JSON = "auto", "lines", "json"
KINDS = (AUTO, LINES, JSON)
LOADING = 10.0  # seconds that a busy machine may take to come so far, without a word


@contextmanager
def shown(step: str, log: Any = AUTO, alone: bool = True) -> Iterator[None]:
    """Shows on standard error what happens in the block.

    Args:
        step: what the command is called.
        log: "auto", a view where standard error is a terminal and lines elsewhere; "lines"; or "json".
        alone: whether nothing else writes to the terminal meanwhile, so that there can be a view.

    Raises:
        UserError: `log` is something else.
    """
    kind = check_name("log", log, KINDS)
    board, stream = Board(step, time.monotonic()), sys.stderr
    show = (
        JsonLines(board, stream, silent=LOADING) if kind == JSON else _to_people(board, stream, kind == AUTO and alone)
    )
    with show.shown(), heard(show.hear):
        yield


@contextmanager
def shown_quietly(step: str, log: Any = AUTO) -> Iterator[None]:
    """Prints lines on what has happened in the block, no signs of life, from this thread alone; raises as `shown`."""
    check_name("log", log, KINDS)
    lines = Lines(Board(step, time.monotonic()), sys.stderr)
    with lines.shown(alive=False), heard(lines.hear):
        yield


def can_view(stream: TextIO) -> bool:
    """Whether a stream is a terminal that a view can be drawn in."""
    known = os.name == "posix" and os.environ.get("TERM", "") not in ("", "dumb", "unknown")
    return known and not os.environ.get("NO_COLOR") and stream.isatty()


def _to_people(board: Board, stream: TextIO, view: bool) -> Lines | Terminal:
    if not view or not can_view(stream):
        return Lines(board, stream, silent=LOADING)
    from nastk.live.terminal import Terminal  # rich takes a tenth of a second to load

    return Terminal(board, getattr(stream, "unchanged", stream))
