"""A search by zero-cost scores from the command line: resumed, audited, reported, transferred, and called scores."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from nastk.config.build import load_yaml
from nastk.genotype import Genotype
from nastk.jobs import zero_cost
from nastk.runs.audit import read_audit
from nastk.zero_cost.scoring import log_scores
from tests.commands import run

Capture = pytest.CaptureFixture[str]
QUICK = (
    *(
        "+space=nasnet",
        "space.blocks=2",
        "data=digits",
        "data.subset=320",
        "evaluator=zero_cost",
        "evaluator.threads=1",
    ),
    *("evaluator.network.filters=4", "evaluator.batch=16", "target.seconds=0.02"),
    *("controller.start=2", "controller.shortlist=3", "controller.zero_cost=[synflow,naswot]"),
)


def trials(folder: Path) -> list[tuple[str, float]]:
    """Returns key and score of each trial of a run."""
    lines = [json.loads(line) for line in (folder / "trials.jsonl").read_text().splitlines()]
    assert not any("accuracy" in line["metrics"] for line in lines)
    return [(line["key"], line["metrics"]["score"]) for line in lines]


def searched(capsys: Capture, folder: Path, *given: str) -> str:
    told = run(capsys, "search", *QUICK, f"run={folder}", *given)
    assert told.code == 0, told.err
    assert "accuracy" not in told.out + told.err
    return told.out


def test_a_search_by_scores_goes_on_and_its_readers_call_them_scores(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    scored: list[str] = []

    def counted(genotype: Genotype, *given: Any) -> dict[str, float]:
        scored.append(genotype.key)
        return log_scores(genotype, *given)

    monkeypatch.setattr(zero_cost, "log_scores", counted)
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert "4 candidates scored, none trained; best is trial" in searched(capsys, whole, "trials=4")
    assert {key for key, _ in trials(whole)[:3]} < set(scored)  # the controller's model saw scores
    assert len(set(scored)) == len(scored)
    searched(capsys, parts, "trials=3")
    searched(capsys, parts, "trials=4")
    assert trials(parts) == trials(whole)
    assert load_yaml(whole / "config.yaml").objective.maximize == ["score"]
    best = json.loads((whole / "best.json").read_text())
    assert best["metrics"]["score"] == max(score for _, score in trials(whole))

    assert run(capsys, "audit", f"run={whole}", "cells=3", "epochs=1").code == 0
    audit = read_audit(whole)
    assert audit is not None and audit.finished
    assert [cell.score for cell in audit.cells] == sorted((cell.worth for cell in audit.cells), reverse=True)
    assert [len(cell.longer) for cell in audit.cells] == [1, 1, 1] and not any(cell.again for cell in audit.cells)
    assert audit.sentence.startswith("The score of untrained cells against their accuracy after training: ")

    assert run(capsys, "report", f"run={whole}").code == 0
    page = (whole / "report.html").read_text()
    for told in (
        "4 candidates scored in 4 trials",
        "Score and cost",
        f"{best['metrics']['score']:.5g}",
    ):
        assert told in page
    assert "accuracy in the search" not in page

    transfer = (
        *("transfer.top=2", "training.epochs=1", "training.batch=128", "transfer.cells=1", "transfer.filters=4"),
        "baselines=[]",
    )
    assert run(capsys, "transfer", f"run={whole}", *transfer).code == 0
    front = [one["key"] for one in json.loads((whole / "pareto.json").read_text())["candidates"]]
    ranked = [key for key, _ in sorted(trials(whole), key=lambda one: -one[1])]
    expected = list(dict.fromkeys([*front, *ranked]))[:2]
    assert {path.parent.name for path in (whole / "transfer").glob("*/metrics.json")} == set(expected)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("objective.maximize=[balanced_accuracy]",), "wants balanced_accuracy, which only trained candidates have"),
        (("objective.minimize=[loss]",), "wants loss, which only trained candidates have"),
        (("pruner=median",), "pruner: stops by accuracy, which the objective does not maximize"),
        (("evaluator.proxies=[synflo]",), "evaluator.proxies 'synflo'; nearest is 'synflow'"),
    ],
)
def test_what_only_a_training_gives_is_refused(
    words: tuple[str, ...], told: str, tmp_path: Path, capsys: Capture
) -> None:
    assert told in run(capsys, "search", *QUICK, f"run={tmp_path / 'run'}", *words).line
    assert not (tmp_path / "run").exists()


def test_a_score_is_no_objective_of_a_training(tmp_path: Path, capsys: Capture) -> None:
    told = run(
        capsys, "search", "+space=nasnet", "data=digits", f"run={tmp_path / 'run'}", "objective.maximize=[score]"
    )
    assert "objective: wants score, which evaluator=zero_cost gives and no other" in told.line
