"""What is read of a run folder, and what is said where it is malformed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from nastk.errors import UserError
from nastk.runs.contents import read_run
from tests.reports import folders


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return folders.write_run(tmp_path / "run", folders.rows(24))


def test_everything_but_the_trials_may_be_missing(run: Path) -> None:
    for name in ("pareto.json", "best.json", "config.yaml"):
        (run / name).unlink()
    found = read_run(run)
    assert len(found.trials) == 24
    assert (found.front, found.best, found.config_text, found.bench, dict(found.exports)) == ((), None, None, None, {})


def test_a_duplicate_counts_as_a_trial_but_not_as_a_trained_candidate(run: Path) -> None:
    found = read_run(run)
    complete = [trial.number for trial in found.trials if trial.state == "complete"]
    assert [trial.number for trial in found.trained] == complete
    assert any(trial.state == "duplicate" and "accuracy" in trial.metrics for trial in found.trials)


def change(text: str, line: int, edit: Callable[[dict[str, object]], object]) -> str:
    """Returns trials.jsonl with one line edited."""
    lines = text.splitlines()
    data = json.loads(lines[line - 1])
    edit(data)
    return "\n".join([*lines[: line - 1], json.dumps(data), *lines[line:]]) + "\n"


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (lambda row: row.update(state="complet"), "nearest is 'complete'"),
        (lambda row: row.update(number="3"), "number='3', expected a whole number"),
        (lambda row: row.update(key="../../etc/passwd"), "expected letters and digits"),
        (lambda row: row.update(key="<script>"), "expected letters and digits"),
        (lambda row: row.update(metrics={"accuracy": "high"}), "accuracy 'high', expected a finite number"),
        (lambda row: row.update(metrics={"accuracy": float("nan")}), "accuracy nan, expected a finite number"),
        (lambda row: row.update(state="complete", metrics={"accuracy": 93.4}), "accuracy 93.4, expected 0 to 1"),
        (lambda row: row.update(state="complete", metrics={"params": 3}), "without an accuracy"),
        (lambda row: row.update(metrics=[1]), "metrics: [1], expected an object"),
        (lambda row: row.update(seconds="long"), "seconds 'long', expected a finite number"),
        (lambda row: row["genotype"].update(skeleton="nasnett"), "nearest is 'nasnet'"),
        (lambda row: row.pop("genotype"), "None, expected an object"),
    ],
)
def test_a_malformed_trial_is_named_by_file_and_line(
    run: Path, edit: Callable[[dict[str, object]], object], said: str
) -> None:
    path = run / "trials.jsonl"
    path.write_text(change(path.read_text(), 5, edit))
    with pytest.raises(UserError) as error:
        read_run(run)
    assert f"{path}:5" in str(error.value)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_a_line_cut_short_is_named(run: Path) -> None:
    path = run / "trials.jsonl"
    path.write_text(path.read_text()[:-40])
    with pytest.raises(UserError, match=r"trials.jsonl:24: not JSON"):
        read_run(run)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("pareto.json", "{", r"pareto.json: not JSON"),
        ("pareto.json", '{"schema": 2, "candidates": []}', r"pareto.json: schema 2, expected 1"),
        ("pareto.json", '{"schema": 1, "candidates": {}}', r"pareto.json: candidates {}, expected a list"),
        ("pareto.json", '{"schema": 1, "candidates": [{}]}', r"pareto.json: candidate 0: number=None"),
        ("best.json", "[]", r"best.json: \[\], expected an object"),
        ("bench.json", "{}", r"bench.json: schema None, expected 1"),
        ("audit.json", "no", r"audit.json: not JSON"),
        ("transfer/abc/metrics.json", "3", r"metrics.json: 3, expected an object"),
        ("export/abc/manifest.json", '{"schema": "1"}', r"manifest.json: schema '1', expected 1"),
    ],
)
def test_another_malformed_file_is_named(run: Path, name: str, content: str, said: str) -> None:
    (run / name).parent.mkdir(parents=True, exist_ok=True)
    (run / name).write_text(content)
    with pytest.raises(UserError, match=said):
        read_run(run)


def test_a_missing_folder_or_search_is_said(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such run folder"):
        read_run(tmp_path / "none")
    with pytest.raises(UserError, match=r"trials.jsonl: no such file"):
        read_run(tmp_path)
    (tmp_path / "trials.jsonl").write_bytes(b"\xff\xfe")
    with pytest.raises(UserError, match=r"trials.jsonl: not UTF-8"):
        read_run(tmp_path)
