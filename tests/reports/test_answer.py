"""What the page opens with: each number with what is to be known of it, and what is missing in so many words."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nastk.reports import write_report
from nastk.runs.learning_curves import add_epoch
from nastk.stats.interval import wilson
from tests.reports import folders
from tests.reports.test_run_report import Page, finished


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return folders.write_run(tmp_path / "run", folders.rows(40))


def change(run: Path, **fields: object) -> str:
    """Changes the export's manifest; returns the text of the page from its result on."""
    (manifest,) = run.glob("export/*/manifest.json")
    folders.write(manifest, {**json.loads(manifest.read_text()), **fields})
    return told(run)


def told(run: Path) -> str:
    text = Page(write_report(run).read_text()).text
    return text[text.index("Result") :]


def test_accuracy_has_its_interval_and_latency_what_speaks_for_it(run: Path) -> None:
    finished(run)
    (metrics,) = run.glob("transfer/*/metrics.json")
    folders.write(metrics, {"schema": 1, "accuracy": 0.9812, "test_images": 1000})
    (manifest,) = run.glob("export/*/manifest.json")
    precisions = json.loads(manifest.read_text())["precisions"]
    precisions["int8"]["latency_ms"] |= {"spread": 0.012, "threads": 1, "min": 0.54}
    text = change(run, precisions=precisions, budget={"limits": {"latency_ms": 1.2}, "broken": []})
    low, high = (f"{100 * end:.2f}" for end in wilson(0.9789, 1000))
    assert f"97.89 %test accuracy, int8, of 1,000 images; 95 % interval {low} to {high}" in text
    assert "0.544 msp50, int8, one image, 1 thread; trustworthy: repeats within 1.2 %" in text
    assert "Budgetmet1.2 ms, 45 % used" in text
    assert "Best baselinenoneno known network was trained beside it" in text


def test_a_budget_is_broken_unknown_or_none(run: Path) -> None:
    finished(run)
    broken = change(run, budget={"limits": {"latency_ms": 0.5}, "broken": ["it takes 0.544 ms"]})
    assert "Over its budget: it takes 0.544 ms." in broken and "Budgetbroken0.5 ms, 109 % used" in broken
    (manifest,) = run.glob("export/*/manifest.json")
    precisions = json.loads(manifest.read_text())["precisions"]
    precisions["int8"]["latency_ms"] = None
    unknown = change(run, precisions=precisions, budget={"limits": {"latency_ms": 0.5}, "broken": []})
    assert "Budgetnot known0.5 ms; not timed on this machine" in unknown and "Latency-not measured" in unknown
    (run / "config.yaml").write_text("seed: 0\n")
    assert "Budgetnoneno limit was set" in change(run, budget={"limits": {}, "broken": []})


def test_a_run_half_done_says_what_is_missing(run: Path) -> None:
    assert "it is not trained in full and not exported yet" in told(run)
    folders.transfer(run, json.loads((run / "best.json").read_text())["key"])
    assert "trained in full, but no file is exported yet" in told(run)


def test_reasons_of_failures_are_grouped_at_the_top(tmp_path: Path) -> None:
    rows = folders.rows(7)
    for number, row in enumerate(rows):
        reason = f"out of memory in epoch {number}" if number < 5 else "<i>diverged</i>"
        row.update(state="failed", metrics={}, reason=reason)
    text = told(folders.write_run(tmp_path / "run", rows))
    assert "No candidate has been trained yet: of 7 trials 7 failed." in text
    assert "5 failed: e.g. out of memory in epoch 0" in text and "2 failed: <i>diverged</i>" in text


def test_learning_and_time_are_shown_where_they_were_recorded(run: Path) -> None:
    key = json.loads((run / "best.json").read_text())["key"]
    folders.transfer(run, key)
    assert "Training in full" not in told(run) and "is of before steps were timed" in told(run)
    for epoch in (1, 2):
        add_epoch(run, key, epoch, 1.0 / epoch)
    rungs = [{"epochs": 2, "validation_accuracy": 0.5}, {"epochs": 4, "validation_accuracy": 0.75}]
    folders.write(run / "transfer" / key / "rungs.json", {"schema": 1, "rungs": rungs})
    (run / "steps.jsonl").write_text(
        '{"step": "search", "seconds": 60.0, "command": "nastk search"}\n{"step": "transfer", "seconds": 180.0}\n'
    )
    text = told(run)
    assert "Training in full" in text and "4.0 min in all." in text and "3.0 min, 75 %" in text
    assert "How to reproduce" in text and "nastk search" in text[text.index("How to reproduce") :]
