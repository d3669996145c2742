"""The final table as columns of text: fixed-width for a terminal, and the same columns for the page."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from nastk.genotype.skeleton import SKELETONS
from nastk.reports.final_table import FinalRow
from nastk.stats.steadiness import untrusted

PRECISIONS = ("fp32", "fp16", "bf16", "int8")
HALF = ("fp16", "bf16")
NONE = "-"
SHOWN_KEY = 10
TIMED, WEIGHED = "latency p50 (ms)", "file size"
# Behind a latency that cannot be trusted.
DOUBT = " ?"


@dataclass(frozen=True)
class Column:
    """A column: the group that heads several (may be empty), its own name, and its cells."""

    group: str
    name: str
    cells: tuple[str, ...]
    left: bool = False


def _sized(name: str) -> Callable[[FinalRow], str]:
    """Returns what tells one of a network's sizes; of one whose stages were grown the one before, with a plus."""

    def told(row: FinalRow) -> str:
        if name in row.size.before:
            return f"{row.size.before[name]:g}+"
        number = row.size.numbers.get(name)
        return NONE if number is None else f"{number:g}"

    return told


def _named(row: FinalRow) -> str:
    known = f" (baseline {row.baseline})" if row.baseline else ""
    return row.key[:SHOWN_KEY] + known + (" (search)" if row.stage == "search" else "")


def table_columns(rows: Sequence[FinalRow]) -> list[Column]:
    """Returns the columns; a precision that no network has gets none, but fp32 and int8 are always there."""

    def made(group: str, name: str, cell: Callable[[FinalRow], str], left: bool = False) -> Column:
        return Column(group, name, tuple(cell(row) for row in rows), left)

    used = {name for row in rows for name in (*row.accuracy, *row.latency_ms, *row.size_bytes)}
    precisions = [name for name in PRECISIONS if name in used or name not in HALF] + sorted(used - set(PRECISIONS))
    found = [
        made("", "network", _named, True),
        made("", "parameters", lambda row: count(row.params)),
        made("", "MACs", lambda row: count(row.macs)),
    ]
    found += [
        made("", size.word.rstrip("= "), _sized(size.name))
        for size in dict.fromkeys(size for skeleton in SKELETONS.values() for size in skeleton.sizes)
        if any(size.name in row.size.numbers for row in rows)
    ]
    if any(row.size.limits for row in rows):
        found.append(made("", "limit", lambda row: limits(row.size.limits)))
    if any(row.baseline for row in rows):
        found.append(made("", "training (s)", lambda row: NONE if row.seconds is None else f"{row.seconds:.1f}"))
    if any(row.score is not None for row in rows):
        found.append(made("score", "search", lambda row: NONE if row.score is None else f"{row.score:.5g}"))
    else:
        found.append(made("accuracy (%)", "search", lambda row: share(row.search_accuracy)))
    if any(row.validation_accuracy is not None for row in rows):
        found.append(made("accuracy (%)", "held out", lambda row: share(row.validation_accuracy)))
    if any(row.balanced_accuracy is not None for row in rows):
        found.append(made("accuracy (%)", "balanced", lambda row: share(row.balanced_accuracy)))
    for group, values, spelled in MEASURED:
        for name in precisions:
            texts = tuple(spelled(values(row).get(name)) for row in rows)
            if group == TIMED:
                texts = tuple(text + DOUBT * (name in row.doubts) for text, row in zip(texts, rows, strict=True))
            found.append(Column(group, name, texts))
    found.append(made("", "ship", lambda row: row.recommended or NONE, True))
    return found


def format_table(rows: Sequence[FinalRow]) -> str:
    """Returns the table as fixed-width text of two header lines and one line a network; empty for no network."""
    if not rows:
        return ""
    columns = table_columns(rows)
    widths = [max(len(text) for text in (column.name, *column.cells)) for column in columns]
    spans = group_spans(columns)
    for start, count, group in spans:
        room = sum(widths[start : start + count]) + 2 * (count - 1)
        for extra in range(len(group) - room):
            widths[start + extra % count] += 1
    heads = [
        group.center(sum(widths[start : start + count]) + 2 * (count - 1)) if group else " " * widths[start]
        for start, count, group in spans
    ]
    lines = ["  ".join(heads)]
    for texts in [[column.name for column in columns], *zip(*(column.cells for column in columns), strict=True)]:
        cells = zip(columns, widths, texts, strict=True)
        lines.append(
            "  ".join(text.ljust(width) if column.left else text.rjust(width) for column, width, text in cells)
        )
    rule = "  ".join("-" * width for width in widths)
    return "\n".join(line.rstrip() for line in [*lines[:2], rule, *lines[2:]])


def table_notes(rows: Sequence[FinalRow]) -> list[str]:
    """Returns what has to be said beside the table: who won and why, what was trained again, limits and latencies."""
    several = len(rows) > 1

    def of(row: FinalRow) -> str:
        return f"{row.key[:SHOWN_KEY]}: " if several else ""

    broken = [f"Over its budget: {of(row)}{line}." for row in rows for line in row.broken]
    doubts = [
        f"{DOUBT.strip()} {of(row)}the latency in {precision} is {untrusted(why)}."
        for row in rows
        for precision, why in row.doubts.items()
    ]
    refits = [f"{of(row)}{trained_once_more(row)}." for row in rows if row.refit_images]
    return [*_won(rows), *refits, *broken, *doubts]


def trained_once_more(row: FinalRow) -> str:
    """Returns what has to be known beside the test accuracy of a network that learned from more than its rivals."""
    return (
        f"exported as trained once more on all {row.refit_images:,} images, those held out too; trained like the "
        f"others it names {share(row.ranked_accuracy)} % of the test images right in fp32"
    )


def _won(rows: Sequence[FinalRow]) -> list[str]:
    """Returns why the first ships where limits decided; that it is a baseline, and by how much better, where so."""
    if rows and rows[0].why:
        return [f"{rows[0].why[0].upper()}{rows[0].why[1:]}."]
    if not rows or not rows[0].baseline:
        return []
    rival = next((row for row in rows if not row.baseline), None)
    told = f"The baseline {rows[0].baseline} is the one to ship, not a network that the search found"
    if rival is None or rival.validation_accuracy is None:
        return [f"{told}."]
    shares = f"{share(rows[0].validation_accuracy)} % to {share(rival.validation_accuracy)} %"
    return [f"{told}: {shares} on held-out images against {rival.key[:SHOWN_KEY]}."]


def group_spans(columns: Sequence[Column]) -> list[tuple[int, int, str]]:
    """Returns (first column, number of columns, group) from left to right; ungrouped columns stand alone."""
    spans: list[tuple[int, int, str]] = []
    for index, column in enumerate(columns):
        if spans and column.group and spans[-1][2] == column.group:
            start, count, group = spans[-1]
            spans[-1] = (start, count + 1, group)
        else:
            spans.append((index, 1, column.group))
    return spans


def size(value: float | None) -> str:
    """Returns bytes as kB or MB (powers of ten)."""
    if value is None:
        return NONE
    return f"{value / 1e6:.2f} MB" if value >= 1e6 else f"{value / 1e3:.1f} kB"


def count(value: float | None) -> str:
    """Returns a number of parameters or multiply-accumulates with three digits or so: 5.29 M."""
    if value is None:
        return NONE
    for unit, letter in ((1e9, " B"), (1e6, " M"), (1e3, " k")):
        if value >= unit:
            return f"{value / unit:.3g}{letter}" if value / unit >= 100 else f"{value / unit:.2f}{letter}"
    return f"{value:.0f}"


def limits(values: Mapping[str, float]) -> str:
    """Returns limits by cost in words: 0.5 ms, 2.00 M MACs."""
    spelled = {
        "latency_ms": lambda value: f"{value:g} ms",
        "params": lambda value: f"{count(value)} parameters",
        "macs": lambda value: f"{count(value)} MACs",
        "memory_mb": lambda value: f"{value:g} MB activations",
        "ram_kb": lambda value: f"{value:g} kB of activations in int8",
        "flash_kb": lambda value: f"{value:g} kB of flash",
    }
    texts = [spelled[name](value) if name in spelled else f"{name} {value:g}" for name, value in values.items()]
    return ", ".join(texts) or NONE


def share(value: float | None) -> str:
    """Returns a share of 0 to 1 as a percentage without its sign."""
    return NONE if value is None else f"{100 * value:.2f}"


def milliseconds(value: float | None) -> str:
    """Returns milliseconds to a microsecond."""
    return NONE if value is None else f"{value:.3f}"


def duration(seconds: float) -> str:
    """Returns a time in the unit that suits it."""
    for unit, name in ((86400.0, "days"), (3600.0, "h"), (60.0, "min")):
        if seconds >= 2 * unit:
            return f"{seconds / unit:.1f} {name}"
    return f"{seconds:.1f} s"


Values = Callable[[FinalRow], Mapping[str, float]]
MEASURED: tuple[tuple[str, Values, Callable[[float | None], str]], ...] = (
    ("accuracy (%)", lambda row: row.accuracy, share),
    (TIMED, lambda row: row.latency_ms, milliseconds),
    (WEIGHED, lambda row: row.size_bytes, size),
)
