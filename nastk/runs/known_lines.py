"""Reads a file of JSON lines that only tells: a line that a kill cut short is left out, and hurts nobody."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from nastk.errors import UserError
from nastk.outside import ROWS, as_object, parse_json, read_text
from nastk.runs.schema import Object


def known_lines(path: Path) -> Iterator[Object]:
    """Yields the objects of a file, of none where there is no file.

    Raises:
        UserError: it cannot be read at all.
    """
    if not path.exists():
        return
    for line in read_text(path, ROWS).splitlines():
        with contextlib.suppress(UserError):
            yield as_object(parse_json(line, str(path)), str(path))
