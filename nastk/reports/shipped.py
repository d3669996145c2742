"""What an export's manifest.json says of each file: precision, size, accuracy, latency, which one to ship and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nastk.budget import PREFIX, limits_in
from nastk.errors import UserError
from nastk.outside import number_in
from nastk.runs.schema import Object
from nastk.stats.steadiness import doubt


@dataclass(frozen=True)
class ShippedFile:
    """A model file of one precision; accuracy and agreement with the fp32 network on the test set, 0 to 1.

    `doubt` says why its latency cannot be trusted, "" where it can; `spread` is that between repeats, a share of p50.
    """

    precision: str
    file: str
    size_bytes: float | None
    accuracy: float | None
    agreement: float | None
    p50_ms: float | None
    p90_ms: float | None
    p99_ms: float | None
    doubt: str = ""
    spread: float | None = None
    threads: float | None = None


@dataclass(frozen=True)
class Shipped:
    """An export: its files, the precision that is recommended, its file, why, and what to beware of.

    `broken` has a sentence for each limit that it breaks; None where the manifest is of before that was written down.
    `limits` are those that it was made for, by metric.
    """

    files: tuple[ShippedFile, ...] = ()
    recommended: str | None = None
    recommended_path: Path | None = None
    params: float | None = None
    macs: float | None = None
    reason: str = ""
    warnings: tuple[str, ...] = ()
    broken: tuple[str, ...] | None = None
    limits: Mapping[str, float] = field(default_factory=dict)


def read_shipped(manifest: Object, folder: Path) -> Shipped:
    """Reads a manifest.

    Args:
        manifest: manifest.json, an object of schema 1.
        folder: where it lies.

    Raises:
        UserError: a field is not of the form that the export writes; names the field.
    """
    path = folder / "manifest.json"
    entries = _precisions(manifest, path)
    files = tuple(_file(name, entry, f"{path}: precision {name!r}") for name, entry in entries.items())
    recommended = manifest.get("recommended")
    chosen = next((file for file in files if recommended in (file.precision, file.file)), None)
    if recommended is not None and chosen is None:
        raise UserError(f"{path}: recommended {recommended!r:.60}, expected one of {[file.file for file in files]}")
    warnings = manifest.get("warnings") or ()
    if not isinstance(warnings, list | tuple):
        raise UserError(f"{path}: warnings {warnings!r:.60}, expected a list")
    return Shipped(
        files,
        chosen.precision if chosen else None,
        folder / chosen.file if chosen else None,
        number_in(manifest, "params", str(path)),
        number_in(manifest, "macs", str(path)),
        str(manifest.get("reason") or ""),
        tuple(str(warning) for warning in warnings),
        _broken(manifest, path),
        _limits(manifest),
    )


def target_files(manifest: Object, folder: Path) -> list[tuple[str, ShippedFile]]:
    """Returns the files of an export with the target that each is for, "" where the manifest tells none.

    Raises:
        UserError: as `read_shipped`.
    """
    path, targets = folder / "manifest.json", manifest.get("targets")
    found = targets.items() if isinstance(targets, Mapping) else [(str(manifest.get("target") or ""), manifest)]
    return [
        (str(target), _file(name, entry, f"{path}: target {target!r}: precision {name!r}"))
        for target, entries in found
        for name, entry in _precisions(entries, path).items()
    ]


def _precisions(target: Any, path: Path) -> Object:
    entries = target.get("precisions") if isinstance(target, Mapping) else None
    if not isinstance(entries, Mapping):
        raise UserError(f"{path}: precisions {entries!r:.60}, expected an object with one entry a precision")
    return entries


def _broken(manifest: Object, path: Path) -> tuple[str, ...] | None:
    budget = manifest.get("budget")
    if budget is None:
        return None
    broken = budget.get("broken") if isinstance(budget, Mapping) else None
    if not isinstance(broken, list):
        raise UserError(f"{path}: budget {budget!r:.60}, expected an object with a list of what is broken")
    return tuple(str(line) for line in broken)


def _limits(manifest: Object) -> dict[str, float]:
    budget = manifest.get("budget")
    found = budget.get("limits") if isinstance(budget, Mapping) else None
    return limits_in({f"{PREFIX}{name}": limit for name, limit in found.items()}) if isinstance(found, Mapping) else {}


def _file(precision: str, entry: Any, where: str) -> ShippedFile:
    if not isinstance(entry, Mapping) or not isinstance(entry.get("file"), str):
        raise UserError(f"{where}: {entry!r:.60}, expected an object with a file name")
    latency = entry.get("latency_ms") or {}
    if not isinstance(latency, Mapping):
        raise UserError(f"{where}: latency_ms {latency!r:.60}, expected an object with p50")
    size = number_in(entry, "size_bytes", where)
    p50, p90, p99 = (number_in(latency, name, where) for name in ("p50", "p90", "p99"))
    return ShippedFile(
        precision,
        entry["file"],
        size,
        number_in(entry, "accuracy", where),
        number_in(entry, "agreement", where),
        p50,
        p90,
        p99,
        _doubt(latency, where),
        number_in(latency, "spread", where),
        number_in(latency, "threads", where),
    )


def _doubt(latency: Object, where: str) -> str:
    """A latency of before there was a doubt is judged by its numbers."""
    if "doubt" in latency:
        return str(latency["doubt"] or "")
    p50, least, spread = (number_in(latency, name, where) for name in ("p50", "min", "spread"))
    return (doubt(p50, least, spread or 0.0) or "") if p50 is not None and least is not None else ""
