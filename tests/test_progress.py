"""What a search shows: each trial once, as soon as it has its result, counted against the budget."""

from __future__ import annotations

from pathlib import Path

import pytest

from nastk.progress import SearchProgress
from nastk.rows import Row, State


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
