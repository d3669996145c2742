"""What steps and epochs leave behind is read whole, whatever a kill has cut short."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from nastk.errors import UserError
from nastk.runs.learning_curves import CURVES, add_epoch, read_curves
from nastk.runs.steps import STEPS, command_line, read_commands, read_steps, timed_step


def test_sittings_are_added_up_and_mistakes_leave_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "orig_argv", ["python", "/usr/bin/nastk", "images=my photos"])
    with pytest.raises(UserError), timed_step(tmp_path, "search"):
        raise UserError("wrong")
    assert not (tmp_path / STEPS).exists()
    for step in ("transfer", "search", "search"):
        with timed_step(tmp_path, step):
            pass
    with pytest.raises(KeyboardInterrupt), timed_step(tmp_path, "search"):
        raise KeyboardInterrupt
    with (tmp_path / STEPS).open("a") as file:
        file.write('{"step": "search", "seconds": 100.0}\n{"step": "se')
    found = read_steps(tmp_path)
    assert found["search"] == pytest.approx(100.0, abs=1.0)
    assert read_commands(tmp_path) == ["nastk 'images=my photos'"]
    assert len((tmp_path / STEPS).read_text().splitlines()) == 6


def test_a_command_is_told_as_it_was_given() -> None:
    assert command_line(["/opt/python", "-m", "nastk.search", "run=a b"]) == "python -m nastk.search 'run=a b'"
    assert command_line(["/opt/python", "/venv/bin/nastk", "run=a"]) == "nastk run=a"
    assert command_line(["/opt/python", "-m", "pytest", "-q"]) is None
    assert command_line(["/opt/python"]) is None


def test_a_training_that_went_back_is_told_as_it_went_on(tmp_path: Path) -> None:
    assert read_curves(tmp_path) == {}
    for epoch, loss in ((1, 3.0), (2, 2.5), (3, 9.0), (2, 2.4), (3, 2.0)):
        add_epoch(tmp_path, "a", epoch, loss)
    add_epoch(tmp_path, "b", 1, float("nan"))
    with (tmp_path / CURVES).open("a") as file:
        file.write('{"key": "a", "epoch"')
    assert read_curves(tmp_path) == {"a": [(1, 3.0), (2, 2.4), (3, 2.0)]}
