"""Rows of a benchmark that are kept as JSON lines once they are measured: what is killed goes on with the others."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

Rows = list[list[Any]]
ROWS = "rows.jsonl"


class KeptRows:
    """The rows in a file that hold for one machine, commit and set of settings.

    Args:
        folder: of the file, made with its first line; None keeps nothing.
        of: what the rows hold for, as JSON; those of anything else are left where they are and not taken.
    """

    def __init__(self, folder: Path | None, of: Mapping[str, object]) -> None:
        self._path = None if folder is None else folder / ROWS
        self._of = json.loads(json.dumps(of))

    def rows(self, key: str, make: Callable[[], Rows]) -> Rows:
        """Returns the rows of a measurement: those that are kept, or else what `make` measures, which is then kept."""
        if self._path is None:
            return make()
        known = self._known(self._path)
        if key in known:
            return known[key]
        made: Rows = json.loads(json.dumps(make()))
        self._path.parent.mkdir(parents=True, exist_ok=True)
        whole = not self._path.exists() or self._path.read_bytes()[-1:] in (b"", b"\n")
        with self._path.open("a") as file:
            file.write("\n" * (not whole) + json.dumps({"of": self._of, "key": key, "rows": made}) + "\n")
        return made

    def _known(self, path: Path) -> dict[str, Rows]:
        found: dict[str, Rows] = {}
        for line in path.read_text().splitlines() if path.exists() else ():
            try:
                one = json.loads(line)
            except ValueError:  # a kill cut it short
                continue
            if one["of"] == self._of:
                found[one["key"]] = one["rows"]
        return found
