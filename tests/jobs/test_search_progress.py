"""What a search shows: each trial once, as soon as it has its result, counted against the budget."""

from __future__ import annotations

from pathlib import Path

import pytest

from nastk.jobs.outlook import doubtful_timings
from nastk.jobs.search_progress import SearchProgress
from nastk.objective import Objective
from nastk.runs.trials import Row, State


def _row(number: int, state: State, accuracy: float) -> Row:
    return Row(number, state, f"key{number}", {}, {"accuracy": accuracy}, 1.0, "")


def test_a_trial_that_is_shown_when_trained_and_again_when_told_counts_once(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    before = [_row(0, "complete", 0.5)]
    with SearchProgress(tmp_path, 4, before) as progress:
        for row in (_row(2, "complete", 0.7), _row(1, "rejected", 0.0), _row(2, "complete", 0.7)):
            progress.show(row)
    lines = capsys.readouterr().err.splitlines()
    assert [line.split()[1] for line in lines] == ["2", "1"]
    assert lines[0].endswith("[2/4] best 0.7000")
    assert lines[1].endswith("[2/4] best 0.7000, 1 not trained")


def test_a_timing_that_cannot_be_trusted_is_marked(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    cost = {"latency_ms": 9.8, "latency_steady": 0.0}
    reason = Objective(max_latency_ms=3.0).violation(cost)
    assert reason is not None and reason.reason == "latency_ms 9.8 (not trustworthy: the machine was busy) is over 3"
    with SearchProgress(tmp_path, 4, []) as progress:
        progress.show(Row(0, "complete", "a", {}, {"accuracy": 0.5, **cost}, 1.0, ""))
        progress.show(Row(1, "rejected", "b", {}, cost, 1.0, reason.reason))
        progress.show(Row(2, "complete", "c", {}, {**cost, "accuracy": 0.5, "latency_steady": 1.0}, 1.0, ""))
    lines = capsys.readouterr().err.splitlines()
    assert [line.count("not trustworthy") for line in lines] == [1, 1, 0]


def test_how_many_candidates_were_timed_beside_other_work_is_told_at_the_end() -> None:
    def row(number: int, state: State, **metrics: float) -> Row:
        return Row(number, state, "key", {}, {"latency_ms": 1.0, **metrics}, 1.0, "")

    quiet = [row(0, "complete", latency_steady=1.0), row(1, "complete")]
    assert doubtful_timings(quiet) == []
    busy = [row(2, "complete", latency_steady=0.0), row(3, "rejected", latency_steady=0.0)]
    copied = row(4, "duplicate", latency_steady=0.0)
    [line] = doubtful_timings([*quiet, *busy, copied])
    assert "latencies of 2 of 3 candidates are not trustworthy" in line and "1 of these were rejected" in line
