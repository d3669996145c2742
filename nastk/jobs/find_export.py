"""Which export a user means who names the run, or a folder above it."""

from __future__ import annotations

from pathlib import Path

from nastk.deploy.manifest import MANIFEST
from nastk.errors import UserError, nearest
from nastk.runs.shipping import ship_places


def find_export(model: str | None, run: str | None, runs: str) -> Path:
    """Returns the folder of an export.

    Args:
        model: that folder, or the folder of a run that has one export only, or has ranked them: then the one to ship.
        run: the name of such a run below `runs`, or its path.
        runs: where run folders lie.

    Raises:
        UserError: neither or both are given, there is no such run, no export in it, or several without a rank.
    """
    if (model is None) == (run is None):
        found = "not given" if model is None else f"given as {model!r}, and run as {run!r}"
        raise UserError(f"model: {found}, expected model=<folder of an export> or run=<name of a run>")
    if model is not None:
        place, word = Path(model), f"model={model!r}"
    else:
        place, word = _run_folder(str(run), Path(runs)), f"run={run!r}"
    if not place.is_dir():
        raise UserError(f"{word}: {place}: no such folder{_nearest_run(place)}")
    if (place / MANIFEST).is_file():
        return place
    # One that is being written has a name that begins with a dot.
    exports = sorted(path.parent for inside in ("", "export/") for path in place.glob(f"{inside}[!.]*/{MANIFEST}"))
    first = _first_ranked(place, exports)
    if first is not None:
        return first
    if len(exports) > 1:
        raise UserError(
            f"{word}: has {len(exports)} exports, choose one: {', '.join(f'model={one}' for one in exports)}"
        )
    if not exports and (place / "config.yaml").is_file():
        raise UserError(f"{word}: has no export yet; python -m nastk.export run={place}")
    if not exports:
        raise UserError(f"{word}: no {MANIFEST} in it, expected the folder of an export, or of a run that has one")
    return exports[0]


def _first_ranked(place: Path, exports: list[Path]) -> Path | None:
    """Returns the export of the network of a run that ships, None where there is no ranking or no export of it."""
    places = ship_places(place) if len(exports) > 1 else {}
    best = min(places, key=lambda key: places[key], default=None)
    return next((export for export in exports if export.name == best), None)


def _run_folder(run: str, runs: Path) -> Path:
    path = Path(run)
    return path if path.parent != Path() else runs / path


def _nearest_run(place: Path) -> str:
    there = [path.parent.name for path in place.parent.glob("*/config.yaml")]
    return f"; nearest is {nearest(place.name, there)[0]!r}" if there else ""
