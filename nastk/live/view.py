"""What the terminal shows of a command that runs, as rich draws it: from a board to at most eight lines."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from nastk.console import visible
from nastk.live.board import OTHERS, Board, Search
from nastk.live.words import amount, best_told, duration, left, named, pace, training_line, trials_told

LABEL = 9  # columns of the names at the left
MOST_WIDE = 100  # columns; a bar across a wide screen says no more


def rendered(board: Board, now: float, width: int) -> RenderableType:
    """Returns the view at a time of the clock, for a terminal of so many columns."""
    wide = min(width, MOST_WIDE)
    grid = Table.grid(padding=(0, 1))
    grid.add_column(width=LABEL, style="dim", no_wrap=True)
    grid.add_column(width=max(wide - LABEL - 2, 10), no_wrap=True, overflow="ellipsis")
    for label, shown in _rows(board, now, wide - LABEL - 2):
        grid.add_row(label, shown)
    return Group(_head(board, now, wide - 1), grid)


def _head(board: Board, now: float, width: int) -> RenderableType:
    head = Table.grid()
    place = f"  {board.place}" if board.place else ""
    since = f"running for {duration(now - board.began)}"
    head.add_column(width=max(width - len(since), 10), no_wrap=True, overflow="ellipsis")
    head.add_column(width=len(since), no_wrap=True)
    head.add_row(Text(f"nastk {board.step}", "bold cyan").append(place, "dim"), Text(since, "dim"))
    return head


def _rows(board: Board, now: float, width: int) -> Iterator[tuple[str, RenderableType]]:
    """Yields labels and what stands beside them."""
    if board.search is not None:
        yield from _search(board.search, now, width)
    for count in board.counts.values():
        rest = ", ".join([amount(count), *left(count.seconds_left(now))])
        yield count.last.what[:LABEL], _bar(count.last.done, count.last.total, rest, width)
        if count.last.note:
            yield "", Text(visible(count.last.note))
    if board.training is not None:
        yield "training", Text(training_line(board.training))
    yield "now", Text(_now(board, now))


def _search(search: Search, now: float, width: int) -> Iterator[tuple[str, RenderableType]]:
    rest = ", ".join(pace(search.per_hour(now), search.seconds_left(now)))
    done = f"{search.trained}/{search.trials} trained"
    yield "trained", _bar(search.trained, search.trials, ", ".join(filter(None, [done, rest])), width)
    trials = Text(f"{search.done} done   ")
    for state in OTHERS:
        trials.append(f"{search.states[state]} {state}   ", "" if search.states[state] else "dim")
    yield "trials", trials
    if search.best is None:
        yield "best", Text("no result yet", "dim")
    else:
        told = best_told(search.best.metrics, params=True)
        yield "best", Text(told, "green").append(f"  trial {search.best.number} ({named(search.best.key)})", "dim")


def _bar(done: int, total: int, told: str, width: int) -> RenderableType:
    """Returns a bar with words behind it, which have the room that they need."""
    row = Table.grid(padding=(0, 1))
    room = max(width - len(told) - 2, 6)
    row.add_column(width=room)
    row.add_column(no_wrap=True)
    bar = ProgressBar(max(total, 1), done, width=room, complete_style="cyan", finished_style="green")
    row.add_row(bar, Text(told))
    return row


def _now(board: Board, now: float) -> str:
    """Returns what is under way and for how long."""
    parts = [trials_told(board.search, now)] if board.search is not None and board.search.running else []
    parts += [f"{visible(what)} for {duration(now - since)}" for what, since in board.doing[-1:]]
    return "; ".join(parts) or "at work"
