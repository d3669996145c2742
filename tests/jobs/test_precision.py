"""The precision of a search's candidates: one for all, chosen once, recorded, and kept by a run that goes on."""

from __future__ import annotations

from pathlib import Path

import pytest
from omegaconf import DictConfig, OmegaConf

from nastk.config.build import load_yaml
from nastk.jobs.precision import PRECISION, in_one_precision
from nastk.jobs.search_parts import search_parts
from nastk.training.precision import StepTimes
from tests.commands import run
from tests.jobs.test_fitting import QUICK, composed

LONG = ("evaluator.device=cpu", "evaluator.epochs=20", "evaluator.batch=64", "evaluator.learning_rate=0.2")
TIMED = "evaluator.precision=timed"
SHARED = ("storage=postgresql", "storage.url=postgresql://nobody@nowhere/none")
Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def timed(monkeypatch: pytest.MonkeyPatch) -> list[StepTimes]:
    """What is timed, each network twice as fast in bfloat16."""
    found: list[StepTimes] = []

    def times(*_: object) -> StepTimes:
        found.append(StepTimes(2.0, 1.0))
        return found[-1]

    monkeypatch.setattr("nastk.jobs.precision.step_times", times)
    monkeypatch.setattr("nastk.processor.bf16_sets", lambda system: ["AVX512_BF16"])
    return found


def chosen(config: DictConfig, recorded: DictConfig | None = None) -> str:
    return str(OmegaConf.select(in_one_precision(config, search_parts(config), recorded), PRECISION))


def test_three_candidates_are_timed_and_decide_for_all(timed: list[StepTimes], capsys: Capture) -> None:
    assert chosen(composed(*LONG, TIMED)) == "bf16"
    assert len(timed) == 3
    assert "search: candidates are trained in bf16: bf16 is 2.00 times as fast as fp32" in capsys.readouterr().err


def test_what_was_said_short_trainings_and_shared_studies_are_not_timed(timed: list[StepTimes]) -> None:
    assert chosen(composed(*LONG)) == "auto"
    assert chosen(composed(*LONG, "evaluator.precision=fp32")) == "fp32"
    assert chosen(composed(*LONG, TIMED, "evaluator.epochs=1")) == "timed"
    assert chosen(composed(*LONG, TIMED, *SHARED)) == "timed"
    assert timed == []


def test_a_run_that_was_begun_keeps_its_own(timed: list[StepTimes]) -> None:
    for before in ("fp32", "bf16", "timed"):
        assert chosen(composed(*LONG, TIMED), composed(*LONG, f"evaluator.precision={before}")) == before
    assert timed == []


def test_the_choice_is_recorded_and_gone_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture, timed: list[StepTimes]
) -> None:
    monkeypatch.setattr("nastk.jobs.precision.LEAST_STEPS", 1)
    given = (*QUICK, "data=digits", "data.subset=128", "evaluator.epochs=1", f"run={tmp_path / 'run'}")
    for trials in (1, 2):
        told = run(capsys, "search", *given, "evaluator.device=cpu", TIMED, f"trials={trials}")
        assert told.code == 0, told.err
        assert load_yaml(tmp_path / "run" / "config.yaml").evaluator.precision == "bf16"
    assert len(timed) == 3
