"""Measurements of a device, in files that carry their own hash: latency tables and predictors, which travel by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nastk.errors import UserError
from nastk.outside import shortened
from nastk.runs.checksummed import read_checksummed


def read_measured(
    path: Path, kind: str, fields: Sequence[str], types: Mapping[str, type], device_fact: str
) -> dict[str, Any]:
    """Returns the same of a file about a device, its fields there and of their types.

    Args:
        path: of the file.
        kind: that it says it is.
        fields: that it must have.
        types: of those that are of a plain one.
        device_fact: of `device`, that must be a text.

    Raises:
        UserError: as `read_checksummed`, or a field is missing or malformed.
    """
    content = read_checksummed(path, kind)
    for name in fields:
        if name not in content:
            raise UserError(f"{path}: has no {name}, expected the fields {', '.join(fields)}")
    for name, wanted in types.items():
        if not isinstance(content[name], wanted) or isinstance(content[name], bool):
            raise UserError(f"{path}: {name} is {shortened(content[name])}, malformed")
    device = content["device"]
    if not isinstance(device, dict) or not isinstance(device.get(device_fact), str):
        raise UserError(f"{path}: says of no device, expected device.{device_fact}")
    return content
