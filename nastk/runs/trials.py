"""trials.jsonl, a line a finished trial, and trials.csv, the same for a spreadsheet."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, cast, get_args

from nastk.console import visible
from nastk.errors import UserError, unknown
from nastk.events import TRAINED
from nastk.files import append_line, write_text
from nastk.objective import ACCURACY, SCORE
from nastk.outside import ROWS, json_lines, number_in, parse_json, read_bytes
from nastk.runs.candidate import Candidate, read_candidate
from nastk.runs.schema import SCHEMA

TRIALS = "trials.jsonl"

State = Literal["complete", "duplicate", "rejected", "pruned", "failed"]
STATES: tuple[State, ...] = get_args(State)
FORMULA = ("=", "+", "-", "@")  # what a spreadsheet takes for the beginning of one


@dataclass(frozen=True)
class Row:
    """One finished trial, a line of trials.jsonl.

    Attributes:
        number: Optuna's, from 0.
        state: what became of it; a duplicate has the metrics of the trial that it repeats.
        key: the genotype's canonical key.
        genotype: in its JSON form.
        metrics: of the evaluator and the cost; what was measured before a rejection or failure.
        seconds: from proposal to result.
        reason: why it was rejected, pruned or failed, or which trial it repeats.
        choices: the controller's choices by name.
    """

    number: int
    state: State
    key: str
    genotype: Mapping[str, Any]
    metrics: Mapping[str, float]
    seconds: float
    reason: str
    choices: Mapping[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Returns the line of trials.jsonl."""
        return {
            "schema": SCHEMA,
            "number": self.number,
            "state": self.state,
            "key": self.key,
            "genotype": dict(self.genotype),
            "metrics": dict(self.metrics),
            "seconds": round(self.seconds, 3),
            "reason": self.reason,
            "choices": dict(self.choices),
        }


@dataclass(frozen=True)
class TrialRow(Candidate):
    """A line of trials.jsonl: a candidate, what became of it, how long it took in seconds, and why it ended so."""

    state: str
    seconds: float
    reason: str

    @property
    def accuracy(self) -> float | None:
        """Of a candidate that this trial trained; None for a duplicate or one without a result, or only scored."""
        return self.metrics.get(ACCURACY) if self.state in TRAINED else None

    @property
    def score(self) -> float | None:
        """Of a candidate that this trial scored and did not train; None for any other."""
        return self.metrics.get(SCORE) if self.state == "complete" and ACCURACY not in self.metrics else None


def append_row(folder: Path, row: Row) -> None:
    """Adds a line to trials.jsonl; raises UserError where it cannot be written."""
    append_line(folder / TRIALS, json.dumps(row.to_dict()))


def check_rows(folder: Path, rows: Sequence[Row], without_result: Collection[int] = ()) -> None:
    """Checks that the study has what trials.jsonl has, before that is written anew; unreadable lines say nothing.

    Args:
        folder: of the run.
        rows: of all trials of the study that have their outcome.
        without_result: numbers of others, which another program or the death of their driver has ended.

    Raises:
        UserError: a trial is missing or another one; the study is another run's, or was removed.
    """
    path = folder / TRIALS
    known = {row.number: (row.key, row.state) for row in rows}
    for line in read_bytes(path, ROWS).split(b"\n") if path.exists() else ():
        try:
            told = parse_json(line.decode(), str(path))
            number, there = told["number"], (told["key"], told["state"])
        except (UserError, UnicodeDecodeError, TypeError, KeyError):
            continue
        if known.get(number) != there and number not in without_result:
            raise UserError(
                f"{path}: has trial {number} as {there[1]}, which the study has not; it is of another run, or was "
                "renamed or removed: put back a copy, or give another run="
            )


def write_rows(folder: Path, rows: Sequence[Row]) -> None:
    """Writes trials.jsonl and trials.csv anew from the study's rows."""
    write_text(folder / TRIALS, "".join(json.dumps(row.to_dict()) + "\n" for row in rows))
    metrics = sorted({name for row in rows for name in row.metrics})
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["number", "state", "key", *metrics, "seconds", "reason"])
    for row in rows:
        values = [row.metrics.get(name, "") for name in metrics]
        writer.writerow([row.number, row.state, row.key, *values, round(row.seconds, 3), _as_text(row.reason)])
    write_text(folder / "trials.csv", text.getvalue())


def _as_text(reason: str) -> str:
    """Returns a reason, which may quote a file's name, as a spreadsheet takes it for text and not for a formula."""
    shown = visible(reason)
    return f"'{shown}" if shown.startswith(FORMULA) else shown


def read_trials(path: Path) -> tuple[TrialRow, ...]:
    """Reads trials.jsonl; raises UserError that names file and line where a line is no trial."""
    if not path.exists():
        raise UserError(f"{path}: no such file; a run's search writes it")
    lines = json_lines(path, "; continue the search to write the file anew")
    return tuple(_trial(data, f"{path}:{number}") for number, data in lines)


def count_lines(path: Path) -> int:
    """Returns how many whole lines a trials.jsonl has, whatever is in them; 0 where there is none."""
    return sum(1 for line in read_bytes(path, ROWS).split(b"\n")[:-1] if line.strip()) if path.exists() else 0


def _trial(data: Any, where: str) -> TrialRow:
    candidate = read_candidate(data, where)
    state = data.get("state")
    if state not in STATES:
        raise unknown(f"state in {where}", state, STATES)
    if state == "complete" and not {ACCURACY, SCORE} & candidate.metrics.keys():
        raise UserError(f"{where}: a complete trial without an accuracy or a score in its metrics")
    seconds = number_in(data, "seconds", where) or 0.0
    reason = str(data.get("reason") or "")
    return TrialRow(
        candidate.number, candidate.key, candidate.genotype, candidate.metrics, cast(str, state), seconds, reason
    )
