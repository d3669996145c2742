"""data.json of a run: which images its candidates were trained and validated on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nastk.errors import UserError
from nastk.evaluators import Evaluator
from nastk.files import read_json, write_json

DATA = "data.json"
# What may change from one sitting of a search to the next: corrupt images are met while it runs.
CHANGES = ("skipped",)


def record_data(folder: Path, evaluator: Evaluator) -> None:
    """Writes data.json, or finds that it says the same already; an evaluator that trains on no images has none.

    Raises:
        UserError: the run was begun on other images.
    """
    record = _record(evaluator)
    if record is None:
        return
    path = folder / DATA
    if path.exists():
        before = read_json(path)
        if not isinstance(before, dict):
            raise UserError(f"{path}: holds a {type(before).__name__}, expected an object; damaged, put back a copy")
        changed = _changed(before, record)
        if changed:
            raise UserError(f"{path}: {changed}; put the images back as they were, or give another run=")
    if not path.exists() or before != record:
        write_json(path, record)


def record_skipped(folder: Path, evaluator: Evaluator) -> None:
    """Enters in data.json how many images the search has left out, where that is another number than at its begin."""
    skipped = getattr(getattr(evaluator, "data", None), "skipped", None)
    if skipped is not None and skipped.found and (folder / DATA).exists():
        record = read_json(folder / DATA)
        write_json(folder / DATA, {**record, "skipped": len(skipped.found)})


def _record(evaluator: Evaluator) -> dict[str, Any] | None:
    make = getattr(evaluator, "data_record", None)
    return None if make is None else make()


def _changed(before: dict[str, Any], now: dict[str, Any], where: str = "") -> str:
    """Returns what says other than when the run began, "" where nothing does."""
    for name, found in now.items():
        was = before.get(name)
        if was == found or name in CHANGES:
            continue
        if isinstance(was, dict) and isinstance(found, dict):
            return _changed(was, found, f"{where}{name}.")
        return f"{where}{name} was {str(was)[:64]} when the run began and is {str(found)[:64]} now"
    return ""
