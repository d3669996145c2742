"""data.json of a run: which images its candidates were trained and validated on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nastk.errors import UserError
from nastk.evaluators import Evaluator
from nastk.files import write_json
from nastk.outside import read_json, read_object
from nastk.runs.folder import DATA

# What may change from one sitting of a search to the next: corrupt images are met while it runs, what is no image is
# no part of the data, and the set may be moved.
CHANGES = ("skipped", "ignored", "folders", "path")
USUAL = ("train/", "val/", "test/")


def record_data(folder: Path, evaluator: Evaluator) -> None:
    """Writes data.json, or finds that it says the same already; an evaluator that trains on no images has none.

    Raises:
        UserError: the run was begun on other images.
    """
    record = check_data(folder, evaluator)
    if record is not None and record != read_record(folder):
        write_json(folder / DATA, record)


def check_data(folder: Path, evaluator: Evaluator) -> dict[str, Any] | None:
    """Returns what data.json should hold; raises UserError where it is that of a run that was begun on other images."""
    record = evaluator.data_record()
    before = read_record(folder)
    changed = "" if record is None or before is None else _changed(before, record)
    if record is not None and before is not None and changed:
        raise UserError(f"{folder / DATA}: {changed}; {_way_out(before, record)}, or give another run=")
    return record


def read_record(folder: Path) -> dict[str, Any] | None:
    """Returns the content of data.json, None where there is none; raises UserError where it is damaged."""
    path = folder / DATA
    if not path.exists():
        return None
    found = read_json(path)
    if not isinstance(found, dict):
        raise UserError(f"{path}: holds a {type(found).__name__}, expected an object; damaged, put back a copy")
    return found


def record_skipped(folder: Path, evaluator: Evaluator) -> None:
    """Enters in data.json how many images the search has left out, where that is another number than at its begin."""
    skipped = evaluator.skipped_images()
    if skipped and (folder / DATA).exists():
        record = read_object(folder / DATA)
        write_json(folder / DATA, {**record, "skipped": skipped})


def _way_out(before: dict[str, Any], now: dict[str, Any]) -> str:
    """Runs of before other names of the parts were known read from train/, val/ and test/ alone."""
    names = [name for name in now.get("folders", {}).values() if name not in USUAL]
    if names and "folders" not in before:
        return f"when it began nothing was read from {', '.join(names)}: move that away to go on"
    return "put the images back as they were"


def _changed(before: dict[str, Any], now: dict[str, Any], where: str = "") -> str:
    """Returns what says other than when the run began, "" where nothing does."""
    for name, found in now.items():
        was = before.get(name)
        if was == found or name in CHANGES:
            continue
        if isinstance(was, dict) and isinstance(found, dict):
            if line := _changed(was, found, f"{where}{name}."):
                return line
            continue
        return f"{where}{name} was {str(was)[:64]} when the run began and is {str(found)[:64]} now"
    return ""
