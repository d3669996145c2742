"""What a search tells: each trial once, as soon as it has its result, counted against the budget."""

from __future__ import annotations

from pathlib import Path

from nastk.events import Event, SearchBegan, TrialEnded, heard
from nastk.jobs.outlook import doubtful_timings
from nastk.jobs.search_progress import SearchProgress
from nastk.runs.trials import Row, State


def _row(number: int, state: State, accuracy: float) -> Row:
    return Row(number, state, f"key{number}", {}, {"accuracy": accuracy}, 1.0, "")


def test_a_trial_that_is_shown_when_trained_and_again_when_told_counts_once(tmp_path: Path) -> None:
    found: list[Event] = []
    with heard(found.append):
        progress = SearchProgress(tmp_path, 4, [_row(0, "complete", 0.5), _row(1, "duplicate", 0.5)])
        for row in (_row(3, "complete", 0.7), _row(2, "rejected", 0.0), _row(3, "complete", 0.7)):
            progress.show(row)
    began, *ended = found
    assert began == SearchBegan(str(tmp_path), 4, {"complete": 1, "duplicate": 1}, (0, "key0", {"accuracy": 0.5}))
    assert [(one.number, one.state, one.trained) for one in ended if isinstance(one, TrialEnded)] == [
        (3, "complete", 2),
        (2, "rejected", 2),
    ]


def test_how_many_candidates_were_timed_beside_other_work_is_told_at_the_end() -> None:
    def row(number: int, state: State, **metrics: float) -> Row:
        return Row(number, state, "key", {}, {"latency_ms": 1.0, **metrics}, 1.0, "")

    quiet = [row(0, "complete", latency_steady=1.0), row(1, "complete")]
    assert doubtful_timings(quiet) == []
    busy = [row(2, "complete", latency_steady=0.0), row(3, "rejected", latency_steady=0.0)]
    copied = row(4, "duplicate", latency_steady=0.0)
    [line] = doubtful_timings([*quiet, *busy, copied])
    assert "latencies of 2 of 3 candidates are not trustworthy" in line and "1 of these were rejected" in line
