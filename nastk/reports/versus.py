"""The networks of the final table side by side: accuracy with its interval, latency with the budget, as dots on a line.

Elements of the page and no picture, so that the text stays as large as the rest of it on any screen.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from html import escape
from typing import NamedTuple

from nastk.reports.final_table import FinalRow
from nastk.reports.page import paragraph
from nastk.reports.shipped import ShippedFile
from nastk.reports.table_text import SHOWN_KEY, milliseconds, share
from nastk.stats.interval import wilson

MOST_ROWS = 6
SEARCHED, BASELINE = "searched", "baseline"


class Mark(NamedTuple):
    """A network on a line: name, kind, whether it ships, its number and interval (or equal ends), in words."""

    name: str
    kind: str
    ships: bool
    low: float
    value: float
    high: float
    told: str


def versus(rows: Sequence[FinalRow], budget_ms: float | None) -> str:
    """Returns two groups of lines; empty for one network alone, of which the numbers stand above.

    Args:
        rows: of the final table, the network to ship first.
        budget_ms: p50 that a file may take, None for no limit.
    """
    if len(rows) < 2:
        return ""
    shown = rows[:MOST_ROWS]
    groups = [
        _group("Accuracy on the test images (%), with 95 % intervals", _marks(shown, _accuracy), None, share),
        _group(_latency_heading(budget_ms), _marks(shown, _latency), budget_ms, milliseconds),
    ]
    told = (
        f"The best {MOST_ROWS} of {len(rows)} networks; all stand in the table below." if len(rows) > MOST_ROWS else ""
    )
    note = paragraph(told, "dim small") if told else ""
    return f'<div class="pair versus">{"".join(groups)}</div>{note}' if any(groups) else ""


def latency_spans(files: Sequence[tuple[str, ShippedFile]]) -> str:
    """Returns a line from p50 to p99 a file, on a logarithmic scale; empty where none was timed.

    Args:
        files: what each is called, and what was measured of it.
    """
    marks = [
        Mark(name, SEARCHED, False, math.log10(p50), math.log10(p50), math.log10(p99), f"{p50:.3f} to {p99:.3f}")
        for name, file in files
        if (p50 := file.p50_ms) and (p99 := file.p99_ms) and p99 >= p50 > 0
    ]
    return _group("Latency from p50 (square) to p99 (ms, logarithmic)", marks, None, _power, kinds=False)


def _power(value: float | None) -> str:
    return milliseconds(None if value is None else 10**value)


def _latency_heading(budget_ms: float | None) -> str:
    line = f"; the line is the budget, {budget_ms:g} ms" if budget_ms is not None else ""
    return f"Latency p50 (ms){line}"


def _marks(rows: Sequence[FinalRow], made: Callable[[FinalRow], tuple[float, float, float, str] | None]) -> list[Mark]:
    found = [(row, made(row)) for row in rows]
    return [
        Mark(
            row.baseline or row.key[:SHOWN_KEY],
            BASELINE if row.baseline else SEARCHED,
            row is rows[0],
            *numbers,
        )
        for row, numbers in found
        if numbers is not None
    ]


def _accuracy(row: FinalRow) -> tuple[float, float, float, str] | None:
    value = row.accuracy.get(row.recommended or "fp32")
    if value is None:
        return None
    low, high = wilson(value, row.test_images) if row.test_images else (value, value)
    return low, value, high, share(value)


def _latency(row: FinalRow) -> tuple[float, float, float, str] | None:
    precision = row.recommended or "fp32"
    value = row.latency_ms.get(precision)
    return None if value is None else (value, value, value, milliseconds(value) + " ?" * (precision in row.doubts))


def _group(
    heading: str,
    marks: Sequence[Mark],
    line: float | None,
    spelled: Callable[[float | None], str],
    kinds: bool = True,
) -> str:
    """Returns a heading and a line for each network, all on one scale; `kinds` are told with the names."""
    if not marks:
        return ""
    low, high = _scale([*(end for mark in marks for end in (mark.low, mark.high)), *([line] if line else [])])

    def at(value: float) -> str:
        return f"{100 * (value - low) / (high - low):.2f}%"

    drawn = "".join(_row(mark, at, None if line is None else at(line), kinds) for mark in marks)
    ends = f'<span class="ends"><span>{spelled(low)}</span><span>{spelled(high)}</span></span>'
    lines = f'<div class="lines">{drawn}<span></span>{ends}<span></span></div>'
    return f"<div>{paragraph(heading, 'dim small')}{lines}</div>"


def _row(mark: Mark, at: Callable[[float], str], line: str | None, kinds: bool) -> str:
    budget = f'<i class="limit" style="left:{line}"></i>' if line is not None else ""
    reach = f'<i class="reach" style="left:{at(mark.low)};right:calc(100% - {at(mark.high)})"></i>'
    dot = f'<i class="dot {mark.kind}" style="left:{at(mark.value)}"></i>'
    dot += f'<i class="ring" style="left:{at(mark.value)}"></i>' * mark.ships
    name = f"{mark.name} ({mark.kind}{', ships' * mark.ships})" if kinds else mark.name
    return (
        f'<span class="name">{escape(name)}</span><span class="track">{budget}{reach}{dot}</span>'
        f'<span class="told">{escape(mark.told)}</span>'
    )


def _scale(values: Iterable[float]) -> tuple[float, float]:
    """Returns the ends of a scale that has room on both sides."""
    known = list(values)
    low, high = min(known), max(known)
    room = max(0.06 * (high - low), 0.004 * abs(high), 1e-9)
    return low - room, high + room
