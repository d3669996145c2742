"""Rows that a benchmark measured outlive what is killed, and are taken for what they hold for alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.benchmarks.scripts import script

A10, T4 = {"gpu": "A10", "commit": "abc"}, {"gpu": "T4", "commit": "abc"}


def made(asked: list[str], name: str) -> Callable[[], list[list[object]]]:
    def make() -> list[list[object]]:
        asked.append(name)
        return [[name, 1, 0.5]]

    return make


def test_rows_are_measured_once_for_what_they_hold_for(tmp_path: Path) -> None:
    kept, asked = script("kept_rows").KeptRows, list[str]()
    for of in (A10, A10, T4):
        for name in ("one", "two"):
            assert kept(tmp_path / "work", of).rows(name, made(asked, name)) == [[name, 1, 0.5]]
    assert asked == ["one", "two"] * 2
    kept(None, A10).rows("one", made(asked, "kept nowhere"))
    assert asked[-1] == "kept nowhere"


def test_a_line_that_a_kill_cut_short_is_measured_again_and_the_others_stay(tmp_path: Path) -> None:
    kept, asked = script("kept_rows").KeptRows(tmp_path, A10), list[str]()
    for name in ("one", "two"):
        kept.rows(name, made(asked, name))
    path = tmp_path / "rows.jsonl"
    path.write_text(path.read_text()[:-9])
    for _ in range(2):
        for name in ("one", "two"):
            kept.rows(name, made(asked, name))
    assert asked == ["one", "two", "two"]


def test_what_fails_keeps_nothing(tmp_path: Path) -> None:
    def fails() -> list[list[object]]:
        raise MemoryError("made up")

    kept, asked = script("kept_rows").KeptRows(tmp_path, A10), list[str]()
    with pytest.raises(MemoryError):
        kept.rows("one", fails)
    assert kept.rows("one", made(asked, "one")) and asked == ["one"]


def test_the_rows_of_training_on_a_gpu_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    training, asked = script("training_gpu"), list[str]()
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.get_device_name", lambda device: "A10")

    def steps(report: object, subject: object, rounds: int, device: object) -> list[list[object]]:
        asked.append("steps")
        return [["images", "side", "1", "1.0", "1 to 1"]]

    def an_hour(count: int, device: object) -> list[list[object]]:
        asked.append(f"{count} processes")
        if count == 4 and len(asked) < 6:
            raise KeyboardInterrupt
        return [["images", count, "1"]]

    monkeypatch.setattr(training, "_steps", steps)
    monkeypatch.setattr(training, "_an_hour", an_hour)
    report = script("training_report").Report({})
    kept = script("kept_rows").KeptRows(tmp_path, A10)
    with pytest.raises(KeyboardInterrupt):
        training.on_gpu(report, 1, kept)
    begun = list(asked)
    training.on_gpu(report, 1, kept)
    assert asked == [*begun, "4 processes"] and len(report.values["GPU: candidates an hour"]) == 3
