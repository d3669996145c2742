"""Where the file to ship is wrong: its confusion matrix, accuracy a class, and its surest mistakes as images."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np
from numpy.typing import NDArray

from nastk.reports.page import card, paragraph, table
from nastk.reports.table_text import share
from nastk.reports.thumbnails import thumbnails
from nastk.runs.shown import Answers, Shown
from nastk.stats.interval import wilson

MOST_IN_MATRIX = 20
MOST_PAIRS, MOST_LISTED = 12, 12
SHORT = 16  # characters of a class's name as the head of a row or column
HEADING = "Where it is wrong"
NOTE = "Rows: what an image shows; columns: what the file says. Confidence is the softmax, which nobody has calibrated."

Counts = NDArray[np.int64]


def mistakes(shown: Shown | None, why: str | None) -> str:
    """Returns the section.

    Args:
        shown: what the report prepared, None for nothing.
        why: what is missing, in words; None where a report was made without preparing.
    """
    if shown is None or shown.answers is None:
        return card(HEADING, paragraph(f"Not shown: {why}.", "dim")) if why else ""
    answers, names = shown.answers, shown.classes
    counts = confusion(answers.labels, answers.predicted, len(names))
    right, asked = int(np.trace(counts)), len(answers.labels)
    of = f"of {asked:,} test images" + (f" drawn from {answers.of:,}" if asked < answers.of else "")
    said = paragraph(
        f"{answers.file} names {asked - right:,} {of} wrong ({share(right / asked)} % right). {_pairs(counts, names)}"
    )
    few = len(names) <= MOST_IN_MATRIX
    grid = _matrix(counts, names) if few else _lists(counts, names)
    return card(HEADING, said, grid, paragraph(NOTE, "dim small") if few else "", _pictures(shown, answers))


def confusion(labels: Counts, predicted: Counts, classes: int) -> Counts:
    """Returns how many images of each class (row) were said to be of each class (column), (classes, classes)."""
    return np.bincount(labels * classes + predicted, minlength=classes * classes).reshape(classes, classes)


def _confused(counts: Counts) -> list[tuple[int, int, int]]:
    """Returns (images, class, said) of each confusion that happened, the most frequent first."""
    wrong = counts.copy()
    np.fill_diagonal(wrong, 0)
    rows, columns = np.nonzero(wrong)
    found = [(int(wrong[row, column]), int(row), int(column)) for row, column in zip(rows, columns, strict=True)]
    return sorted(found, key=lambda one: (-one[0], one[1], one[2]))


def _pairs(counts: Counts, names: Sequence[str]) -> str:
    """Returns the most frequent confusions in a sentence."""
    found = _confused(counts)[:3]
    if not found:
        return "Nothing was mistaken."
    told = [f"{names[row]} for {names[column]} ({times} of {counts[row].sum():,})" for times, row, column in found]
    return f"Most often it takes {', '.join(told)}."


def _matrix(counts: Counts, names: Sequence[str]) -> str:
    """Returns the matrix with a last column for the accuracy of each class."""
    heads = "".join(f'<th class="turned" scope="col"><span>{escape(_short(name))}</span></th>' for name in names)
    lines = [f'<tr><td></td>{heads}<th class="left" colspan="2" scope="col">right</th></tr>']
    for row, name in enumerate(names):
        total = int(counts[row].sum())
        cells = "".join(_cell(int(times), total, row == column) for column, times in enumerate(counts[row]))
        head = f'<th class="left" scope="row" title="{escape(name)}">{escape(_short(name))}</th>'
        lines.append(f"<tr>{head}{cells}{_right(int(counts[row, row]), total)}</tr>")
    return f'<div class="scroll"><table class="matrix">{"".join(lines)}</table></div>'


def _short(name: str) -> str:
    return name if len(name) <= SHORT else f"{name[: SHORT - 1]}…"


def _cell(times: int, total: int, right: bool) -> str:
    """Returns a cell that is the darker, the larger its share of the row; mistakes are lifted to be seen."""
    part = times / total if total else 0.0
    if not times:
        return '<td class="nil">·</td>'
    strength = 12 + 58 * part if right else 18 + 60 * min(1.0, 3 * part)
    role = "front" if right else "chosen"
    kind = ' class="right"' if right else ""
    return f'<td{kind} style="background:color-mix(in srgb,var(--{role}) {strength:.0f}%,transparent)">{times}</td>'


def _right(right: int, total: int) -> str:
    if not total:
        return '<td class="left dim" colspan="2">no test image</td>'
    bar = f'<span class="meter"><i style="width:{100 * right / total:.1f}%"></i></span>'
    low, high = wilson(right / total, total)
    told = f"{share(right / total)} % of {total:,}; 95 % interval {share(low)} to {share(high)}"
    return f'<td class="left" title="{told}">{bar}</td><td>{100 * right / total:.1f} %</td>'


def _lists(counts: Counts, names: Sequence[str]) -> str:
    """Returns the classes that do worst and what is confused most, where a matrix would be too large to read."""
    totals, right = counts.sum(1), counts.diagonal()
    known = [row for row in range(len(names)) if totals[row]]
    worst = sorted(known, key=lambda row: (right[row] / totals[row], row))[:MOST_LISTED]
    lines = [[names[row], f"{totals[row]:,}", share(right[row] / totals[row])] for row in worst]
    pairs = [[names[row], names[column], str(times)] for times, row, column in _confused(counts)[:MOST_PAIRS]]
    lists = [
        f"<div>{paragraph(told, 'dim small')}{grid}</div>"
        for told, grid in (
            (
                f"The {len(lines)} of {len(names):,} classes that do worst",
                table(["class", "images", "right (%)"], lines),
            ),
            ("What is confused most", table(["shows", "said", "images"], pairs, (0, 1), wrap=(0, 1))),
        )
    ]
    return f'<div class="pair">{"".join(lists)}</div>'


def _pictures(shown: Shown, answers: Answers) -> str:
    if shown.wrong is None or shown.wrong_at is None:
        return ""
    captions = [
        (
            f"says {shown.classes[answers.predicted[place]]}, {100 * float(answers.confidence[place]):.1f} %",
            f"is {shown.classes[answers.labels[place]]}",
        )
        for place in shown.wrong_at
    ]
    told = paragraph("The surest of its mistakes: wrong or doubtful labels show here first", "dim small")
    return told + thumbnails(list(shown.wrong), captions)
