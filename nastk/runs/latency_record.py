"""latency.jsonl of a run: what the latencies of its candidates are of, a line a sitting of its search."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from nastk.errors import UserError
from nastk.files import append_line
from nastk.runs.known_lines import known_lines
from nastk.runs.schema import SCHEMA

LATENCIES = "latency.jsonl"
MEASURED = "measured"
HOLD_FOR = ("precision", "threads", "batch", "streams")


@dataclass(frozen=True)
class LatencyRecord:
    """Where the latencies come from that a search records from some trial on.

    Attributes:
        source: "measured", "table" or "learned".
        target: its name; None where there is none.
        conditions: precision, threads, batch, streams and seconds, as far as the target has them, and its `float_stem`.
        versions: of what runs the files, by package.
        machine: facts of where they run.
        made_of: of a table or predictor: its file, and the device, versions and date that it is of; {} if measured.
    """

    source: str
    target: str | None
    conditions: Mapping[str, Any]
    versions: Mapping[str, str]
    machine: Mapping[str, Any]
    made_of: Mapping[str, Any] = field(default_factory=dict)


def add_latency_record(folder: Path, record: LatencyRecord, from_trial: int) -> None:
    """Adds a line that holds for the trials of this folder from a number on; a search is not lost for want of it."""
    at = datetime.now(UTC).isoformat(timespec="seconds")
    line = {"schema": SCHEMA, "at": at, "from_trial": from_trial, **asdict(record)}
    with contextlib.suppress(UserError):
        append_line(folder / LATENCIES, json.dumps(line))


def latencies_are_of(folder: Path) -> tuple[Mapping[str, Any], Mapping[str, str]]:
    """Returns facts and versions of what a run's latencies were measured with last, each {} where it does not tell.

    Among the facts are the conditions that the latencies hold for.

    Raises:
        UserError: the file cannot be read.
    """
    lines = read_latency_records(folder)
    if not lines:
        return {}, {}
    if lines[-1]["source"] == MEASURED:
        conditions = {name: value for name, value in lines[-1]["conditions"].items() if name in HOLD_FOR}
        return {**lines[-1]["machine"], **conditions}, lines[-1]["versions"]
    made = lines[-1]["made_of"]
    facts, versions = (part if isinstance(part := made.get(name), dict) else {} for name in ("device", "versions"))
    return facts, versions


def read_latency_records(folder: Path) -> list[dict[str, Any]]:
    """Returns the lines of a run in order, each with at, from_trial and the fields of `LatencyRecord`.

    Runs of before there was the file have none, and lines that are malformed are left out.

    Raises:
        UserError: the file cannot be read.
    """
    plain: dict[str, type] = {"at": str, "from_trial": int, "source": str}
    parts = dict.fromkeys(("conditions", "versions", "machine", "made_of"), dict)
    return [
        dict(line)
        for line in known_lines(folder / LATENCIES)
        if all(isinstance(line.get(name), kind) for name, kind in (plain | parts).items())
    ]
