"""The folder of an export: kept where nothing changed, made aside, put in place whole."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from nastk.deploy.manifest import MANIFEST, load_manifest
from nastk.errors import UserError
from nastk.files import cannot_write, exchange, sync_folder, umask, write_bytes
from nastk.runs.bench import BENCH


def existing(folder: Path, source: dict[str, Any], names: Collection[str]) -> dict[str, Any] | None:
    """Returns the manifest of an export that need not be made again, or None.

    Raises:
        UserError: the folder holds something that is not of the `names` of an export's files, or files of a target that
            would be gone.
    """
    if not folder.exists():
        return None
    if not folder.is_dir():
        raise UserError(f"{folder}: is a file, expected a folder or nothing")
    known = {*names, MANIFEST, BENCH}
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
    _check_targets(folder, source["targets"])
    return None


def recorded_targets(folder: Path) -> dict[str, dict[str, Any]]:
    """Returns the targets, by name, that an export has files of, with their settings; empty where there is none."""
    try:
        manifest = load_manifest(folder, verify=False)
    except UserError:
        return {}
    found = manifest["source"].get("targets")
    if not isinstance(found, dict):
        return {}
    return {str(name): dict(fields) for name, fields in found.items() if isinstance(fields, dict)}


def rewritten(folder: Path, texts: Mapping[str, bytes]) -> None:
    """Gives files of an export a new content, all at once and the others as they are."""
    partial = partial_folder(folder)
    try:
        for path in folder.iterdir():
            if path.name not in texts:
                _linked(path, partial / path.name)
        for name, data in texts.items():
            write_bytes(partial / name, data)
        put_in_place(partial, folder)
    except OSError as error:
        raise cannot_write(folder, error) from None
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _linked(path: Path, copy: Path) -> None:
    if path.is_dir():
        shutil.copytree(path, copy, symlinks=True)
        return
    try:
        copy.hardlink_to(path)
    except OSError:  # some file systems have no links
        shutil.copy2(path, copy)


def _check_targets(folder: Path, targets: Collection[str]) -> None:
    """An export of fewer targets would take away the files of the others."""
    gone = [name for name in recorded_targets(folder) if name not in targets]
    if gone:
        raise UserError(
            f"{folder}: has files of target {gone[0]}, which this export would take away; name it too, "
            f"export.also=[{','.join(gone)}], or move the folder away; nothing was replaced"
        )


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
