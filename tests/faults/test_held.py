"""A run folder that a process holds: no other writes into it, or times files that are being replaced."""

from __future__ import annotations

from pathlib import Path

import pytest

from nastk.runs.folder import held
from tests.commands import run
from tests.faults.conftest import EXPORT


@pytest.mark.parametrize("by", ["run", "model"])
@pytest.mark.parametrize("entry", ["export", "bench"])
def test_a_held_run_is_neither_exported_nor_timed(
    capsys: pytest.CaptureFixture[str], unbroken: Path, entry: str, by: str
) -> None:
    folder = unbroken / "export"
    models = {"export": folder / "transfer", "bench": folder / "export"}
    place = folder if by == "run" else next(path for path in models[entry].iterdir() if path.is_dir())
    with held(folder):
        said = run(capsys, entry, f"{by}={place}", *(EXPORT if entry == "export" else ())).line
    assert "in use by process" in said
