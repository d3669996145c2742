"""The JSON objects that a run folder's files hold: each says by `schema` which form it has."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nastk.errors import UserError
from nastk.outside import as_object, read_json, shortened

SCHEMA = 1

Object = Mapping[str, Any]


def read_object(path: Path) -> Object:
    """Reads a JSON file that holds an object of schema 1; raises UserError where it does not."""
    data = as_object(read_json(path), str(path))
    if data.get("schema") != SCHEMA:
        raise UserError(f"{path}: schema {shortened(data.get('schema'))}, expected {SCHEMA}")
    return data
