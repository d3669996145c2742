"""manifest.json: which files an export consists of, their hashes, and all that is needed to use and to trust them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from nastk.errors import UserError
from nastk.outside import opened, read_json

SCHEMA = 1
MANIFEST = "manifest.json"
MAX_BYTES = 2**33  # of a file of an export
MODEL, MODEL_INT8, LABELS = "model.onnx", "model.int8.onnx", "labels.json"
MODEL_ARM_INT8 = "model.arm.int8.onnx"
FIELDS: dict[str, type | tuple[type, ...]] = {
    "key": str,
    "files": dict,
    "source": dict,
    "preprocessing": dict,
    "classes": list,
    "precisions": dict,
    "recommended": str,
    "warnings": list,
}


def sha256(path: Path) -> str:
    """Returns the hex digest of a file; raises UserError where it cannot be read."""
    with opened(path, MAX_BYTES) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def describe_files(folder: Path, names: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Returns "sha256" and "size_bytes" of each file, by name."""
    return {name: {"sha256": sha256(folder / name), "size_bytes": (folder / name).stat().st_size} for name in names}


def load_manifest(folder: Path, verify: bool = True) -> dict[str, Any]:
    """Reads the manifest of an export and checks that the files are those that it names.

    Args:
        folder: of the export.
        verify: compute the hashes; without, only form and names are checked.

    Raises:
        UserError: the manifest is missing or malformed, names a file outside of its folder, or a file is missing or
            is not the one that was exported; names the file.
    """
    path = folder / MANIFEST
    if not path.is_file():
        raise UserError(f"{folder}: no {MANIFEST} in it, expected the folder of an export")
    manifest = read_json(path)
    _check_form(path, manifest)
    if verify:
        for name, entry in manifest["files"].items():
            _check_file(folder / name, entry)
    return dict(manifest)


def _check_form(path: Path, manifest: Any) -> None:
    if not isinstance(manifest, dict) or manifest.get("schema") != SCHEMA:
        raise UserError(f"{path}: expected an object of schema {SCHEMA}")
    for name, kind in FIELDS.items():
        if not isinstance(manifest.get(name), kind):
            raise UserError(f"{path}: {name} is {str(manifest.get(name))[:60]!r}, malformed")
    for name, entry in manifest["files"].items():
        _check_name(path, name)
        if (
            not isinstance(entry, dict)
            or not isinstance(entry.get("sha256"), str)
            or not isinstance(entry.get("size_bytes"), int)
        ):
            raise UserError(f"{path}: file {name!r} has no sha256 and size_bytes")
    for precision, entry in manifest["precisions"].items():
        file = entry.get("file") if isinstance(entry, dict) else None
        if not isinstance(file, str) or file not in manifest["files"]:
            raise UserError(f"{path}: precision {precision!r} names no file of files")
    if manifest["recommended"] not in manifest["files"]:
        raise UserError(f"{path}: recommended {manifest['recommended']!r} is no file of files")


def _check_name(path: Path, name: str) -> None:
    """A name is never a path: a manifest from elsewhere must not lead out of its folder."""
    if not name or name in (".", "..") or any(sign in name for sign in "/\\:\0"):
        raise UserError(f"{path}: file name {name!r}, expected the name of a file beside the manifest")


def _check_file(path: Path, entry: dict[str, Any]) -> None:
    if path.is_symlink() or not path.is_file():
        raise UserError(f"{path}: missing or not a plain file, but the manifest beside it names it")
    size = path.stat().st_size
    if size != entry["size_bytes"]:
        raise UserError(
            f"{path}: {size} bytes, the manifest says {entry['size_bytes']}; the file was changed or cut short"
        )
    if sha256(path) != entry["sha256"]:
        raise UserError(f"{path}: its SHA-256 is not the manifest's; the file was changed after it was exported")
