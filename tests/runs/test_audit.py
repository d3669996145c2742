"""audit.json: what is written is read again, damage is named, and what failed is left out of the conclusion."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nastk.errors import UserError
from nastk.runs.audit import Audit, AuditedCell, Training, concluded, read_audit, write_audit

SETTINGS = {"cells": 6, "epochs": 16, "seeds": 1, "all_images": False, "noise": True}


def audit(cells: int = 6, failed: int = 0, noise: bool = True) -> Audit:
    """An audit in perfect order, of which the first few cells diverged in the longer training."""
    made = [
        AuditedCell(
            number=index,
            key=f"{index:032x}",
            rank=index,
            accuracy=0.9 - index / 100,
            longer=(
                Training(None, 1.0, "diverged in epoch 3") if index < failed else Training(0.98 - index / 100, 4.0),
            ),
            again=(Training(0.89 - index / 100, 1.0),) * noise,
        )
        for index in range(cells)
    ]
    return Audit(SETTINGS, 4, cells, tuple(made), made_by={"nastk": "0.1.0"})


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    assert read_audit(tmp_path) is None
    for written in (audit(), concluded(audit()), concluded(audit(noise=False)), audit(0)):
        write_audit(tmp_path, written)
        assert read_audit(tmp_path) == written
    assert json.loads((tmp_path / "audit.json").read_text())["schema"] == 1


def test_the_conclusion_compares_both_rankings() -> None:
    found = concluded(audit())
    assert found.finished
    assert found.agreement is not None and found.noise is not None
    assert (found.agreement.tau, found.agreement.same, found.agreement.pairs) == (1.0, 15, 15)
    assert found.sentence.startswith("The search's setting ranks these cells: tau 1.00 (95 % interval 0.")
    assert found.sentence.endswith("Longer training leaves them at 93.00 to 98.00 %.")


def test_a_failed_cell_is_left_out_and_told() -> None:
    found = concluded(audit(failed=1))
    assert found.agreement is not None and found.agreement.pairs == 10
    assert "1 of 6 cells failed in it and are left out: diverged in epoch 3." in found.sentence


def test_too_few_results_are_told_and_not_compared() -> None:
    found = concluded(audit(failed=4))
    assert found.finished and found.agreement is None
    assert found.sentence == "2 of 6 cells were trained longer, too few to compare: diverged in epoch 3"


def test_the_mean_over_seeds_counts() -> None:
    cell = audit().cells[0].after("longer", Training(0.96, 4.0))
    assert cell.mean("longer") == pytest.approx(0.97)
    assert cell.after("longer", Training(None, 1.0, "diverged")).mean("longer") is None
    assert audit(noise=False).cells[0].mean("again") is None


def _cell(data: dict[str, Any], **changes: Any) -> None:
    data["cells"][1].update(changes)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda data: data.update(schema=2), "another schema than 1"),
        (lambda data: data.pop("cells"), "cells: missing"),
        (lambda data: data.update(cells=3), "cells=3: int, expected a list [...] of AuditedCell"),
        (lambda data: data.update(candidates="many"), "candidates='many': str, expected int"),
        (lambda data: data["cells"].append(None), "cells[6]: 'None', expected an object"),
        (lambda data: data["cells"].append(data["cells"][0]), "a key is there twice"),
        (lambda data: _cell(data, accuracy=1.5), "cells[1].accuracy=1.5: expected 0 to 1"),
        (lambda data: _cell(data, accuracy=float("nan")), "cells[1].accuracy nan, expected a finite number"),
        (lambda data: _cell(data, key="../x"), "cells[1].key='../x': expected letters and digits"),
        (lambda data: _cell(data, longer=[{"accuracy": 0.5}]), "cells[1].longer[0].seconds: missing"),
        (lambda data: data["agreement"].update(tau=2), "agreement.tau=2: expected -1 to 1"),
    ],
)
def test_damage_is_named_in_one_line(tmp_path: Path, damage: Callable[[dict[str, Any]], object], said: str) -> None:
    write_audit(tmp_path, concluded(audit()))
    path = tmp_path / "audit.json"
    data = json.loads(path.read_text())
    damage(data)
    path.write_text(json.dumps(data))
    with pytest.raises(UserError) as error:
        read_audit(tmp_path)
    assert f"{path}: " in str(error.value)
    assert said in str(error.value)


@pytest.mark.parametrize("text", ["", "[]", "3", '{"schema": 1'])
def test_another_file_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "audit.json").write_text(text)
    with pytest.raises(UserError, match=r"audit.json: "):
        read_audit(tmp_path)
