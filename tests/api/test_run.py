"""`nastk.Run`: its steps are the commands', say nothing, leave the process as it was, and go on."""

from __future__ import annotations

import csv
import json
import logging
import shutil
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest
from hydra.core.hydra_config import HydraConfig
from matplotlib.figure import Figure
from omegaconf import OmegaConf

import nastk
from nastk.config.build import load_yaml
from nastk.events import _listeners
from tests.api.conftest import SETTINGS, Made
from tests.commands import run as command


def copied(made: Made, folder: Path, **given: Any) -> nastk.Run:
    """Returns the run in another folder, to go on with it."""
    shutil.copytree(made.run.folder, folder)
    return nastk.Run(folder, **given)


def test_the_steps_leave_what_the_commands_leave(made: Made) -> None:
    folder = made.run.folder
    assert made.trained == [folder / "transfer" / made.run.best.key]
    assert made.exported == [folder / "export" / made.run.best.key]
    assert (made.exported[0] / "manifest.json").is_file()
    recorded = load_yaml(folder / "config.yaml")
    assert (recorded.trials, recorded.data.subset, recorded.evaluator.epochs) == (2, 100, 1)
    assert recorded.objective.max_params == 1e6 and recorded.evaluator.network.filters == 4
    assert json.loads((made.trained[0] / "metrics.json").read_text())["epochs"] == 2


def test_a_search_is_that_of_the_command(made: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("+space=nasnet", "controller=random", "data=digits", "data.subset=100", "trials=2", "evaluator.epochs=1")
    more = ("evaluator.threads=1", "evaluator.network.filters=4", "target.seconds=0.02", "objective.max_params=1e6")
    assert command(capsys, "search", *words, *more, f"run={tmp_path / 'other'}").code == 0
    other = nastk.Run(tmp_path / "other")
    assert [(row["key"], row["accuracy"]) for row in other.rows] == [
        (row["key"], row["accuracy"]) for row in made.run.rows
    ]
    left, right = (
        OmegaConf.masked_copy(node, [name for name in node if name not in ("run", "runs", "made_by")])
        for node in (load_yaml(one.folder / "config.yaml") for one in (other, made.run))
    )
    assert left == right


def test_a_run_goes_on_says_nothing_and_leaves_the_process_as_it_was(
    made: Made, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    run = copied(made, tmp_path / "run")
    before = [HydraConfig.instance().cfg, sys.stdout, sys.stderr, logging.getLogger("optuna").level, *warnings.filters]
    assert len(run.search(trials=3).rows) == 3
    after = [HydraConfig.instance().cfg, sys.stdout, sys.stderr, logging.getLogger("optuna").level, *warnings.filters]
    assert before == after and _listeners == []
    assert capfd.readouterr() == ("", "")
    assert f"{run.folder}: going on after 2 trials, 2 trained" in run.said
    assert run.said[-1] == f"Run folder: {run.folder}"


def test_the_pipeline_takes_up_what_is_there_and_prints_on_request(
    made: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = copied(made, tmp_path / "run", show=True)
    begun = (run.folder / "transfer" / run.best.key / "metrics.json").read_text()
    settings = {"training": {"epochs": 2, "threads": 1}, "transfer": {"cells": 1, "filters": 4}, "baselines": []}
    last = {"export": {"seconds": 0.01, "calibration": 32}, "bench": {"seconds": 0.0, "runs": 200}}
    assert run.pipeline(trials=2, **settings, **last) is run
    told = capsys.readouterr()
    assert f"Run folder: {run.folder}" in told.out and "[5/5 report]" in told.err and run.said == []
    assert (run.folder / "report.html").is_file() and (run.folder / "bench.json").is_file()
    assert (run.folder / "transfer" / run.best.key / "metrics.json").read_text() == begun


def test_progress_is_told_as_it_happens(made: Made) -> None:
    trials = [event for event in made.events if isinstance(event, nastk.TrialEnded)]
    assert [(one.number, one.state, one.trained, one.trials) for one in trials] == [
        (0, "complete", 1, 2),
        (1, "complete", 2, 2),
    ]
    assert [one.metrics["accuracy"] for one in trials] == [row["accuracy"] for row in made.run.rows]
    epochs = [event for event in made.events if isinstance(event, nastk.EpochEnded)]
    assert [(one.network, one.epoch, one.epochs) for one in epochs] == [
        (made.run.best.key, 1, 2),
        (made.run.best.key, 2, 2),
    ]
    assert nastk.TrainingBegan("transfer", made.run.best.key, 2) in made.events
    assert [one.done for one in made.events if isinstance(one, nastk.Counted) and one.what == "transfer"][-1] == 2
    begun = [event.what for event in made.events if isinstance(event, nastk.WorkBegan)]
    assert {"measuring trial 1", "calibrating int8 on 32 images", "timing 2 files for cpu"} <= set(begun)
    assert sorted(begun) == sorted(event.what for event in made.events if isinstance(event, nastk.WorkEnded))
    assert any(isinstance(event, nastk.Said) and "export" in event.text for event in made.events)


def test_a_callback_may_print_and_end_the_step_and_the_run_goes_on(
    made: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    class EnoughError(Exception):
        pass

    def stop(event: nastk.Event) -> None:
        print("heard", type(event).__name__)
        if isinstance(event, nastk.TrialEnded):
            raise EnoughError

    run = copied(made, tmp_path / "run", progress=stop)
    with pytest.raises(EnoughError):
        run.search(trials=3)
    assert set(capsys.readouterr().out.splitlines()) == {
        *("heard Said", "heard WorkBegan", "heard WorkEnded", "heard SearchBegan"),
        *("heard TrialBegan", "heard TrialEpoch", "heard TrialEnded"),
    }
    again = nastk.Run(run.folder).search(trials=3)
    assert [(row["number"], row["state"]) for row in again.rows] == [(number, "complete") for number in range(3)]


def test_trials_are_rows_and_a_table_of_pandas(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    with (made.run.folder / "trials.csv").open() as file:
        (first, *_), names = list(csv.DictReader(file)), list(made.run.rows[0])
    assert names == list(first) and made.run.rows[0]["key"] == first["key"]
    pytest.importorskip("pandas")
    table = made.run.trials
    assert list(table.columns) == names and list(table.accuracy) == [row["accuracy"] for row in made.run.rows]
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(nastk.UserError, match="needs pandas; pip install pandas, or take rows"):
        _ = made.run.trials


def test_the_best_and_the_front_are_those_of_the_files(made: Made) -> None:
    best = json.loads((made.run.folder / "best.json").read_text())
    assert made.run.best.key == best["key"] and dict(made.run.best.metrics) == best["metrics"]
    assert made.run.pareto[0] == made.run.best


def test_figures_are_those_of_the_report(made: Made) -> None:
    pareto, search = made.run.figure(), made.run.figure("search")
    assert isinstance(pareto, Figure) and isinstance(search, Figure)
    assert pareto._repr_png_().startswith(b"\x89PNG")  # type: ignore[attr-defined]
    assert pareto.axes[0].get_xlabel() == "latency p50 (ms)" and search.axes[0].get_xlabel() != "latency p50 (ms)"
    with pytest.raises(nastk.UserError, match="unknown figure 'paretto'; nearest is 'pareto'"):
        made.run.figure("paretto")
    page = made.run.report()
    assert page == made.run.folder / "report.html" and made.run.best.key[:8] in page.read_text()


def test_a_notebook_shows_runs_and_genotypes(made: Made, tmp_path: Path) -> None:
    shown = made.run._repr_html_()
    drawing = made.run.best.genotype._repr_html_()
    assert drawing is not None and drawing.count("<svg") == 2 and drawing in shown
    assert "2 complete" in shown and f"trial {made.run.best.number}" in shown
    hostile = copied(made, tmp_path / "<script>alert(1)<")
    assert "<script>" not in hostile._repr_html_() and "&lt;script&gt;" in hostile._repr_html_()
    (hostile.folder / "best.json").write_text("{")
    assert "best.json" in hostile._repr_html_()
    assert "nothing searched yet" in nastk.Run(tmp_path / "none")._repr_html_()


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"trails": 3}, "unknown setting 'trails'; nearest is 'trials'"),
        ({"max_latncy_ms": 3}, "unknown setting 'max_latncy_ms'; nearest is 'objective.max_latency_ms'"),
        ({"evaluator": {"epoch": 3}}, "unknown setting 'evaluator.epoch'; nearest is 'evaluator.epochs'"),
        ({"data": "digit"}, "unknown data 'digit'; nearest is 'digits'"),
        ({"space": "nasnett"}, "unknown space 'nasnett'; nearest is 'nasnet'"),
        ({"space": None}, "no search space: give +space=NAME"),
        ({"trials": -1}, "trials=-1: expected at least 1"),
        ({"trials": "many"}, "trials='many': str, expected int"),
        ({"trials": {1}}, "trials={1}: set, expected text, a path, a number"),
        ({"precision": "int8"}, "precision: could be evaluator.precision or objective.precision or target.precision"),
        ({"runs": "here"}, "runs='here': not taken here, expected nastk.Run(runs=...)"),
        ({"images": "nowhere"}, "images='nowhere': no such folder"),
        ({"images": 3}, "images: int, expected a folder, (x, y)"),
        ({"overrides": "--config-dir x"}, "overrides: '--config-dir', expected settings"),
        ({"overrides": ["trials"]}, "'trials': not understood"),
        ({"overrides": "storage=postgresql storage.url=postgresql://me:word@host/base"}, "storage.url: has a password"),
    ],
)
def test_a_mistake_is_one_line_and_leaves_nothing_behind(given: dict[str, Any], told: str, tmp_path: Path) -> None:
    settings = {**SETTINGS, **given}
    if "images" in given:
        del settings["data"]
    with pytest.raises(nastk.UserError) as raised:
        nastk.Run("new", tmp_path).search(**settings)
    assert told in str(raised.value) and "\n" not in str(raised.value)
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_is_not_there_or_another_one_is_told(made: Made, tmp_path: Path) -> None:
    none = nastk.Run("none", tmp_path)
    for step in (none.transfer, none.export, none.bench, none.report, lambda: none.predict("a.png"), lambda: none.best):
        with pytest.raises(nastk.UserError, match="none"):
            step()
    with pytest.raises(nastk.UserError, match="nothing was searched yet"):
        none.figure()
    with pytest.raises(nastk.UserError, match="no folder yet"):
        nastk.Run().transfer()
    with pytest.raises(nastk.UserError, match="run=' ': expected a name or a path"):
        nastk.Run(" ")
    other = copied(made, tmp_path / "other")
    with pytest.raises(nastk.UserError, match=r"holds a run with seed=0, this command has 1"):
        other.search(seed=1)
    with pytest.raises(nastk.UserError, match="space"):
        other.search(space="darts")
    assert len(other.rows) == 2


def test_a_run_half_done_says_what_is_missing(made: Made, tmp_path: Path) -> None:
    run = copied(made, tmp_path / "run")
    shutil.rmtree(run.folder / "export")
    with pytest.raises(nastk.UserError, match="has no export yet"):
        run.predict("a.png")
    shutil.rmtree(run.folder / "transfer")
    with pytest.raises(nastk.UserError, match="has no trained network"):
        run.export()
    (run.folder / "best.json").unlink()
    with pytest.raises(nastk.UserError, match="no candidate was trained yet"):
        _ = run.best
    (run.folder / "trials.jsonl").write_text("{}\n")
    with pytest.raises(nastk.UserError, match=r"trials.jsonl:1"):
        _ = run.rows
