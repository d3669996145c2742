"""failed.json of a network of a transfer: why its training gave no result, so that it is not trained again."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from nastk.errors import UserError
from nastk.files import write_json
from nastk.runs.baselines import read_baselines
from nastk.runs.schema import SCHEMA, read_object

FAILED = "failed.json"
PLACES = ("transfer", "unpruned")  # folders of a run, where networks are trained


def write_failure(folder: Path, reason: str) -> None:
    """Writes why the training in a folder, which exists, failed; raises UserError where it cannot be written."""
    write_json(folder / FAILED, {"schema": SCHEMA, "reason": reason})


def read_failure(folder: Path) -> str | None:
    """Returns why the training in a folder failed, None where it did not. Raises UserError if damaged."""
    path = folder / FAILED
    if not path.exists():
        return None
    reason = read_object(path).get("reason")
    if not isinstance(reason, str) or not reason:
        raise UserError(f"{path}: reason {reason!r:.60}, expected why the training failed; delete it to train again")
    return " ".join(reason.split())


def read_failures(run: Path) -> Mapping[str, str]:
    """Returns why networks of a run's transfer failed, by key; raises UserError where a record is damaged."""
    paths = [path for place in PLACES for path in sorted(run.glob(f"{place}/[!.]*/{FAILED}"))]
    found = {path.parent.name: read_failure(path.parent) for path in paths}
    return {key: reason for key, reason in found.items() if reason is not None}


def failure_lines(run: Path) -> list[str]:
    """Returns a line for each network of a run's transfer that failed; raises UserError where a record is damaged."""
    names = read_baselines(run)
    return [
        f"Left out: the {f'baseline {names[key]}' if key in names else f'searched network {key[:8]}'}, "
        f"because its training failed: {reason}."
        for key, reason in read_failures(run).items()
    ]


def forget_failure(folder: Path) -> None:
    """Removes what `write_failure` wrote, where there is something."""
    (folder / FAILED).unlink(missing_ok=True)
