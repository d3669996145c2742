"""The folder of an export: kept where nothing changed, made aside, put in place whole."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Collection
from pathlib import Path
from typing import Any

from nastk.deploy.manifest import MANIFEST, load_manifest
from nastk.errors import UserError
from nastk.files import cannot_write, exchange, sync_folder, umask


def existing(folder: Path, source: dict[str, Any], names: Collection[str]) -> dict[str, Any] | None:
    """Returns the manifest of an export that need not be made again, or None.

    Raises:
        UserError: the folder holds something that is not of the `names` of an export's files.
    """
    if not folder.exists():
        return None
    if not folder.is_dir():
        raise UserError(f"{folder}: is a file, expected a folder or nothing")
    known = {*names, MANIFEST}
    try:
        known.update(load_manifest(folder, verify=False)["files"])
        manifest = load_manifest(folder)
        if manifest["source"] == source and all((folder / name).is_file() for name in names):
            return manifest
    except UserError:
        pass
    strange = sorted({path.name for path in folder.iterdir()} - known)
    if strange:
        raise UserError(f"{folder}: holds {strange[0]!r}, which is of no export; nothing was replaced")
    return None


def clear_left_over(out_folder: Path) -> None:
    """Takes away what a killed export left; an older export that stepped aside for it comes back."""
    aside = _aside(out_folder)
    try:
        if aside.exists() and not out_folder.exists():
            aside.rename(out_folder)
    except OSError as error:
        raise cannot_write(out_folder, error) from None
    for left_over in out_folder.parent.glob(f".{out_folder.name}.*.partial"):
        shutil.rmtree(left_over, ignore_errors=True)


def partial_folder(out_folder: Path) -> Path:
    """Makes a folder beside, to be filled."""
    try:
        out_folder.parent.mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(dir=out_folder.parent, prefix=f".{out_folder.name}.", suffix=".partial"))
    except OSError as error:
        raise cannot_write(out_folder, error) from None


def put_in_place(partial: Path, out_folder: Path) -> None:
    """Gives the finished folder its name; an older export there gets the partial one's, at once where that can be."""
    try:
        partial.chmod(0o777 & ~umask())
        sync_folder(partial)
        if out_folder.exists():
            _replace(partial, out_folder)
        else:
            partial.rename(out_folder)
        sync_folder(out_folder.parent)
    except OSError as error:
        raise cannot_write(out_folder, error) from None


def _replace(partial: Path, out_folder: Path) -> None:
    try:
        exchange(partial, out_folder)
        return
    except OSError:
        aside = _aside(out_folder)
    out_folder.rename(aside)
    try:
        partial.rename(out_folder)
    except OSError:
        aside.rename(out_folder)
        raise
    shutil.rmtree(aside, ignore_errors=True)


def _aside(out_folder: Path) -> Path:
    return out_folder.with_name(f".{out_folder.name}.old.partial")
