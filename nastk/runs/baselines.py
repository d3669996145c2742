"""Which networks of a transfer are baselines: a record beside each, and one of the run's that says what was asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nastk.errors import UserError
from nastk.files import cannot_write, write_json
from nastk.outside import as_object, number_in
from nastk.runs.schema import SCHEMA, read_object

BASELINE = "baseline.json"
BASELINES = "baselines.json"


@dataclass(frozen=True)
class BaselineRecord:
    """The content of transfer/<key>/baseline.json.

    Attributes:
        name: of the network in conf/network.
        limits: by cost, that it was sized to.
    """

    name: str
    limits: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class BegunBaselines:
    """The content of transfer/baselines.json: with which baselines a run's transfer was begun.

    Attributes:
        names: of those that are trained.
        left_out: by name, why one is not.
    """

    names: tuple[str, ...] = ()
    left_out: Mapping[str, str] = field(default_factory=dict)


def write_baseline(folder: Path, record: BaselineRecord) -> None:
    """Marks a network's folder as a baseline's; raises UserError where it cannot be written."""
    limits = {f"max_{name}": value for name, value in record.limits.items()}
    _write(folder / BASELINE, {"schema": SCHEMA, "baseline": record.name, "limits": limits})


def read_baseline(folder: Path) -> BaselineRecord | None:
    """Returns the record of a network's folder, None where it is no baseline's. Raises UserError if damaged."""
    path = folder / BASELINE
    if not path.exists():
        return None
    data = read_object(path)
    limits = as_object(data.get("limits"), f"{path}: limits")
    found = {name.removeprefix("max_"): number_in(limits, name, f"{path}: limits") for name in limits}
    return BaselineRecord(
        _text(data.get("baseline"), f"{path}: baseline"),
        {name: value for name, value in found.items() if value is not None},
    )


def read_baselines(run: Path) -> dict[str, str]:
    """Returns the names of a run's baselines by key; raises UserError where a record is damaged."""
    found = {path.parent.name: read_baseline(path.parent) for path in sorted(run.glob(f"transfer/*/{BASELINE}"))}
    return {key: record.name for key, record in found.items() if record is not None and not key.startswith(".")}


def write_begun(run: Path, begun: BegunBaselines) -> None:
    """Writes transfer/baselines.json into a run folder; raises UserError where it cannot be written."""
    data = {"schema": SCHEMA, "baselines": list(begun.names), "left_out": dict(begun.left_out)}
    _write(run / "transfer" / BASELINES, data)


def read_begun(run: Path) -> BegunBaselines | None:
    """Returns what a run's transfer was begun with; None where nothing is recorded. Raises UserError if damaged."""
    path = run / "transfer" / BASELINES
    if not path.exists():
        return None
    data = read_object(path)
    names, left_out = data.get("baselines"), as_object(data.get("left_out"), f"{path}: left_out")
    if not isinstance(names, Sequence) or isinstance(names, str):
        raise UserError(f"{path}: baselines {names!r:.60}, expected a list of names")
    return BegunBaselines(
        tuple(_text(name, f"{path}: baselines") for name in names),
        {name: str(reason) for name, reason in left_out.items()},
    )


def _write(path: Path, data: Mapping[str, Any]) -> None:
    """Writes a record into its folder, which is made: nothing lies there yet where a network is not sized to limits."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(path, error) from None
    write_json(path, data)


def _text(value: object, where: str) -> str:
    if not isinstance(value, str) or not value:
        raise UserError(f"{where}: {value!r:.60}, expected the name of a network")
    return value
