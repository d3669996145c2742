"""Reads what a run folder holds; everything but trials.jsonl may be missing, and nothing may be malformed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from nastk.checks import check_whole
from nastk.errors import UserError, unknown
from nastk.genotype import Genotype
from nastk.outside import as_object, json_lines, number_in, read_json, read_text, shortened
from nastk.runs.audit import Audit, read_audit

SCHEMA = 1
STATES = ("complete", "duplicate", "rejected", "pruned", "failed")

Object = Mapping[str, Any]


@dataclass(frozen=True)
class Candidate:
    """A candidate with what was measured of it.

    Attributes:
        number: the trial's, from 0.
        key: the genotype's canonical key.
        genotype: its cells.
        metrics: finite numbers by name; accuracy is 0 to 1, latency_ms is p50.
    """

    number: int
    key: str
    genotype: Genotype
    metrics: Mapping[str, float]


@dataclass(frozen=True)
class TrialRow(Candidate):
    """A line of trials.jsonl: a candidate, what became of it, how long it took in seconds, and why it ended so."""

    state: str
    seconds: float
    reason: str

    @property
    def accuracy(self) -> float | None:
        """Of a candidate that this trial trained; None for a duplicate or one without a result."""
        return self.metrics.get("accuracy") if self.state in ("complete", "pruned") else None


@dataclass(frozen=True)
class Run:
    """A run folder's content; see `nastk.reports.run_config` for `config`.

    Attributes:
        folder: where it lies.
        trials: all finished trials in order.
        front: the Pareto front, the best first.
        best: the chosen candidate.
        transfers: metrics.json of each transferred network, by key.
        exports: manifest.json of each exported network, by key.
        bench: bench.json.
        audit: audit.json.
        config_text: config.yaml as it is written.
    """

    folder: Path
    trials: tuple[TrialRow, ...]
    front: tuple[Candidate, ...]
    best: Candidate | None
    transfers: Mapping[str, Object]
    exports: Mapping[str, Object]
    bench: Object | None
    audit: Audit | None
    config_text: str | None

    @property
    def name(self) -> str:
        """The folder's own name."""
        return self.folder.resolve().name

    @property
    def trained(self) -> tuple[TrialRow, ...]:
        """Trials that trained a candidate to a result."""
        return tuple(trial for trial in self.trials if trial.accuracy is not None)


def read_run(folder: Path) -> Run:
    """Reads a run folder.

    Raises:
        UserError: the folder or trials.jsonl is missing, or a file is malformed; names file and line or field.
    """
    if not folder.is_dir():
        raise UserError(f"{folder}: no such run folder")
    pareto, best, config = folder / "pareto.json", folder / "best.json", folder / "config.yaml"
    front: tuple[Candidate, ...] = ()
    if pareto.exists():
        entries = read_object(pareto).get("candidates")
        if not isinstance(entries, list):
            raise UserError(f"{pareto}: candidates {shortened(entries)}, expected a list")
        front = tuple(_candidate(entry, f"{pareto}: candidate {index}") for index, entry in enumerate(entries))
    return Run(
        folder=folder,
        trials=read_trials(folder / "trials.jsonl"),
        front=front,
        best=_candidate(read_object(best), str(best)) if best.exists() else None,
        transfers=_by_key(folder / "transfer", "metrics.json"),
        exports=_by_key(folder / "export", "manifest.json"),
        bench=_optional(folder / "bench.json"),
        audit=read_audit(folder),
        config_text=read_text(config) if config.exists() else None,
    )


def read_trials(path: Path) -> tuple[TrialRow, ...]:
    """Reads trials.jsonl; raises UserError that names file and line where a line is no trial."""
    if not path.exists():
        raise UserError(f"{path}: no such file; a run's search writes it")
    lines = json_lines(path, "; continue the search to write the file anew")
    return tuple(_trial(data, f"{path}:{number}") for number, data in lines)


def read_object(path: Path) -> Object:
    """Reads a JSON file that holds an object of schema 1; raises UserError where it does not."""
    data = as_object(read_json(path), str(path))
    if data.get("schema") != SCHEMA:
        raise UserError(f"{path}: schema {shortened(data.get('schema'))}, expected {SCHEMA}")
    return data


def _trial(data: Any, where: str) -> TrialRow:
    candidate = _candidate(data, where)
    state = data.get("state")
    if state not in STATES:
        raise unknown(f"state in {where}", state, STATES)
    if state == "complete" and "accuracy" not in candidate.metrics:
        raise UserError(f"{where}: a complete trial without an accuracy in its metrics")
    seconds = number_in(data, "seconds", where) or 0.0
    reason = str(data.get("reason") or "")
    return TrialRow(
        candidate.number, candidate.key, candidate.genotype, candidate.metrics, cast(str, state), seconds, reason
    )


def _candidate(data: Any, where: str) -> Candidate:
    data = as_object(data, where)
    number, key = check_whole(f"{where}: number", data.get("number")), data.get("key")
    if not isinstance(key, str) or not re.fullmatch(r"[\w-]{1,128}", key):
        raise UserError(f"{where}: key {shortened(key)}, expected letters and digits")
    try:
        genotype = Genotype.from_dict(data.get("genotype"))
    except UserError as error:
        raise UserError(f"{where}: {error}") from None
    found = as_object(data.get("metrics"), f"{where}: metrics")
    metrics = {name: number_in(found, name, f"{where}: metrics") for name in found}
    if not 0 <= (metrics.get("accuracy") or 0) <= 1:
        raise UserError(f"{where}: metrics: accuracy {metrics['accuracy']:g}, expected 0 to 1")
    return Candidate(number, key, genotype, {name: value for name, value in metrics.items() if value is not None})


def _by_key(folder: Path, name: str) -> dict[str, Object]:
    """A folder whose name starts with a dot is one that is being made, or was when its process was killed."""
    paths = [path for path in sorted(folder.glob(f"*/{name}")) if not path.parent.name.startswith(".")]
    return {path.parent.name: read_object(path) for path in paths}


def _optional(path: Path) -> Object | None:
    return read_object(path) if path.exists() else None
