"""JSON lines: each parses, a search's have the fields that docs/python.md lists, and the result stays where it was."""

from __future__ import annotations

import io
import json
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from nastk.events import Counted, EpochEnded, SearchBegan, TrainingBegan, TrialEnded, WorkBegan
from nastk.live.board import Board
from nastk.live.json_lines import JsonLines
from nastk.live.lines import QUIET
from tests.commands import run
from tests.live.screens import Clock
from tests.live.test_terminal import QUICK

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)


def made() -> tuple[JsonLines, io.StringIO, Clock]:
    clock, stream = Clock(), io.StringIO()
    return JsonLines(Board("search", 0.0), stream, clock, lambda: NOON), stream, clock


def objects(text: str) -> list[dict[str, Any]]:
    def refused(name: str) -> None:
        raise AssertionError(f"{name} is no JSON")

    return [json.loads(line, parse_constant=refused) for line in text.splitlines()]


def test_an_event_is_an_object_with_what_the_search_has_come_to() -> None:
    lines, stream, clock = made()
    lines.hear(SearchBegan("runs/a", 4, {"complete": 1}, (0, "k", {"accuracy": 0.5})))
    clock.now = 36.0
    lines.hear(TrialEnded(1, "complete", "l", {"accuracy": 0.75, "loss": float("nan")}, "", 2, 4))
    began, ended = objects(stream.getvalue())
    assert began["event"] == "search_began" and began["states"] == {"complete": 1}
    assert {name: ended[name] for name in ("time", "event", "step", "number", "state", "metrics")} == {
        **{"time": "2026-01-02T12:00:00.000+00:00", "event": "trial_ended", "step": "search"},
        **{"number": 1, "state": "complete", "metrics": {"accuracy": 0.75, "loss": None}},
    }
    assert ended["so_far"] == {
        **{"done": 2, "trained": 2, "trials": 4, "duplicate": 0, "rejected": 0, "failed": 0, "per_hour": 100.0},
        "seconds_left": 72.0,
        "best": {"number": 1, "key": "l", "metrics": {"accuracy": 0.75, "loss": None}},
    }


def test_epochs_have_a_time_left_counts_are_told_seldom_and_silence_is_broken() -> None:
    lines, stream, clock = made()
    lines.hear(TrainingBegan("qat", "key", 3))
    for done in range(11):
        lines.hear(Counted("decoding", done, 10, "image", ended=done == 10))
        clock.now += 1.0
    lines.hear(EpochEnded("key", 1, 3, 0.5, "qat"))
    lines.hear(WorkBegan("calibrating"))
    clock.now += QUIET
    lines.beat()
    found = objects(stream.getvalue())
    assert [one["event"] for one in found] == ["training_began", *["counted"] * 3, "epoch_ended", "alive"]
    assert [one.get("seconds_left") for one in found[1:5]] == [None, 5.0, None, 22.0]
    assert found[-1]["doing"] == [{"what": "calibrating", "seconds": QUIET}]
    assert found[-1]["text"].endswith("calibrating for 20 s")


def test_a_tiny_search_is_told_in_json_on_standard_error_and_its_result_as_ever(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ran = run(capsys, "search", *QUICK, f"run={tmp_path / 'run'}", "log=json")
    assert ran.code == 0
    result, folder, *_ = ran.out.splitlines()
    assert result.startswith("2 candidates trained; ") and folder == f"Run folder: {tmp_path / 'run'}"
    found = objects(ran.err)
    assert all({"time", "event", "step"} <= one.keys() and one["step"] == "search" for one in found)
    counts = Counter(one["event"] for one in found)
    assert counts["trial_began"] == counts["trial_epoch"] == counts["trial_ended"] == 2 and counts["search_began"] == 1
    last = [one for one in found if one["event"] == "trial_ended"][-1]
    assert {"number", "state", "key", "metrics", "reason", "trained", "trials"} <= last.keys()
    assert last["so_far"]["trained"] == 2 and last["so_far"]["best"]["metrics"]["params"] > 0
    assert any(one["event"] == "said" and one["text"].startswith("data digits: ") for one in found)


def test_another_word_for_it_is_one_line_before_anything_is_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = run(capsys, "search", *QUICK, f"run={tmp_path / 'run'}", "log=jsn").line
    assert line == "nastk: unknown log 'jsn'; nearest is 'json', there are: json, lines, auto"
    assert not (tmp_path / "run").exists()
