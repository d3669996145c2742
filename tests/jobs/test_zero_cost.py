"""Scores for the predictor: each candidate's once, in logarithms; wrong settings are refused."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import torch

from nastk.data.sources import Digits
from nastk.evaluators.training import TrainingEvaluator
from nastk.jobs.zero_cost import CandidateScores, ZeroCost
from nastk.spaces import NasnetSpace
from nastk.zero_cost.scoring import logarithm
from tests.commands import run

Capture = pytest.CaptureFixture[str]
QUICK = ("+space=nasnet", "space.blocks=2", "data=digits", "data.subset=200", "evaluator.epochs=1")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("controller.zero_cost=[synflo]",), "controller.zero_cost 'synflo'; nearest is 'synflow'"),
        (("controller.zero_cost=[snip,snip]",), "names a proxy twice"),
        (("controller.zero_cost_images=1",), "controller.zero_cost_images=1: expected 2 to 4096"),
        (("controller.shortlist=0",), "controller: shortlist=0: expected 1 to"),
        (("controller=random", "+controller.zero_cost=[snip]"), "takes no scores, expected controller=predictor"),
    ],
)
def test_what_cannot_be_is_one_line_before_there_is_a_run(
    words: tuple[str, ...], told: str, tmp_path: Path, capsys: Capture
) -> None:
    result = run(capsys, "search", *QUICK, f"run={tmp_path / 'run'}", *words)
    assert result.code == 2
    assert told in result.err
    assert not (tmp_path / "run").exists()


def test_a_candidate_is_scored_once_on_images_of_every_class_whatever_was_drawn_before() -> None:
    evaluator = TrainingEvaluator(data=Digits(), seed=3, network={"filters": 4}, threads=1)
    images, labels = evaluator.batch_of(8, 16)
    assert images.shape == (16, 1, 8, 8)
    assert len(labels.unique()) == 10
    space, rng = NasnetSpace(blocks=2), random.Random(0)
    choices = {}

    def choose(name: str, options: object) -> object:
        choices[name] = rng.choice(list(options))  # type: ignore[call-overload]
        return choices[name]

    space.genotype(choose)  # type: ignore[arg-type]
    wanted = ZeroCost(("synflow", "naswot", "params"), 16)
    scores = CandidateScores(wanted, space, evaluator, evaluator.network_config)
    first = scores(choices)
    assert scores(choices) is first
    torch.manual_seed(99)
    assert CandidateScores(wanted, space, evaluator, evaluator.network_config)(choices) == first


def test_logarithms_keep_the_order_of_the_scores() -> None:
    assert logarithm("synflow", 1e66) == pytest.approx(151.97, abs=0.01)
    assert logarithm("synflow", 0.0) == -float("inf")
    assert logarithm("naswot", 740.8) == 740.8
    assert logarithm("jacob_cov", -40.0) > logarithm("jacob_cov", -400.0)
