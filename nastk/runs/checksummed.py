"""JSON files that carry their own hash and say what they are."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nastk.errors import UserError
from nastk.files import write_json
from nastk.outside import read_json

SCHEMA = 1


def write_checksummed(path: Path, kind: str, content: Mapping[str, Any]) -> None:
    """Writes `content` with `schema`, `kind` and the SHA-256 of all of it; raises as `write_json`."""
    body = {"schema": SCHEMA, "kind": kind, **content}
    write_json(path, {**body, "sha256": _digest(body)})


def read_checksummed(path: Path, kind: str) -> dict[str, Any]:
    """Returns what `write_checksummed` wrote, with its `sha256`.

    Raises:
        UserError: the file is missing, no JSON, of another kind or version, or was changed since it was written.
    """
    content = read_json(path)
    if not isinstance(content, dict) or "kind" not in content:
        raise UserError(f"{path}: says nowhere what it is, expected a {kind} of nastk")
    if content["kind"] != kind:
        raise UserError(f"{path}: is a {content['kind']!r}, expected a {kind!r}")
    if content.get("schema") != SCHEMA:
        raise UserError(f"{path}: schema {content.get('schema')!r}, expected {SCHEMA}")
    body = {name: value for name, value in content.items() if name != "sha256"}
    if content.get("sha256") != _digest(body):
        raise UserError(f"{path}: its hash is not that of its content; it was changed or is damaged, make it anew")
    return content


def _digest(body: Mapping[str, Any]) -> str:
    text = json.dumps(body, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()
