"""The predictor's model fits what it saw, its gains are the expected ones, and hooks reach it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import optuna
import pytest
import torch

from nastk.controllers import Predictor
from nastk.controllers.described import standardised, trend
from nastk.controllers.gaussian_process import GaussianProcesses, Inputs
from nastk.controllers.predictor import log_expected_improvement, stretched
from tests.controllers.driver import count_a, twelve


def inputs(codes: list[list[int]]) -> Inputs:
    return Inputs(torch.tensor(codes), torch.zeros(len(codes), 0, dtype=torch.float64))


def test_the_ensemble_finds_which_choices_matter_and_doubts_what_is_far_away() -> None:
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 3, (80, 6))
    targets = torch.from_numpy(2.0 * (codes[:, 0] == 1) + 1.0 * (codes[:, 1] == 2) * (codes[:, 2] == 0))
    model = GaussianProcesses(inputs(codes.tolist()), targets, rng)
    others = rng.integers(0, 3, (200, 6))
    truth = 2.0 * (others[:, 0] == 1) + 1.0 * (others[:, 1] == 2) * (others[:, 2] == 0)
    mean, _ = model.predict(inputs(others.tolist()))
    predicted = (mean * model.weights[:, None]).sum(0).numpy()
    assert np.corrcoef(predicted, truth)[0, 1] > 0.95
    _, near = model.predict(inputs(codes[:1].tolist()))
    _, far = model.predict(inputs([[7] * 6]))
    assert (far > 2 * near).all()


def test_the_expected_improvement_is_that_of_draws() -> None:
    draws = torch.randn(1_000_000, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    for mean, deviation in ((0.0, 1.0), (-1.0, 0.7), (2.0, 0.1), (-2.0, 1.0)):
        expected = (mean + deviation * draws - 0.5).clamp(min=0).mean()
        gain = log_expected_improvement(
            torch.tensor(mean).double(), torch.tensor(deviation).double(), torch.tensor(0.5)
        )
        assert float(gain.exp()) == pytest.approx(float(expected), rel=0.05)


def test_the_expected_improvement_falls_off_without_a_jump_where_it_is_tiny() -> None:
    means = torch.linspace(-60.0, 0.0, 2001, dtype=torch.float64)
    gains = log_expected_improvement(means, torch.ones_like(means), torch.tensor(0.0))
    assert torch.isfinite(gains).all()
    assert (gains.diff() > 0).all()


def test_stretching_keeps_the_order_and_spreads_the_best() -> None:
    values = torch.tensor([10.0, 60.0, 80.0, 84.0, 84.5, 84.9], dtype=torch.float64)
    out = stretched(values)
    assert (out.diff() > 0).all()
    assert out[-1] - out[-3] > out[1] - out[0]
    assert torch.isfinite(stretched(torch.ones(4, dtype=torch.float64))).all()


def test_a_description_of_the_network_helps_and_may_be_infinite() -> None:
    def hook(choices: dict[str, Any]) -> list[float]:
        return [count_a(choices), -math.inf if choices["c0"] == "d" else 1.0]

    def worth(**hooks: Any) -> float:
        total = 0.0
        for seed in range(2):
            study = optuna.create_study(direction="maximize", sampler=Predictor(seed, **hooks))
            study.optimize(lambda trial: count_a(twelve(trial)), n_trials=30)
            total += sum(trial.values[0] for trial in study.trials)
        return total

    assert worth(encode=hook) > worth()
    assert worth(scores=hook) > worth()


def test_what_cannot_be_scored_counts_as_the_worst_that_was_seen() -> None:
    scores = np.array([[1.0], [3.0], [-math.inf], [5.0], [math.nan], [1e9]])
    out = standardised(scores, 4)[:, 0]
    assert out[:4].mean() == pytest.approx(0)
    assert out[0] == out[2] == out[4]  # 1 is the least that was seen
    assert out[0] < out[1] < out[3] < out[5] <= 4
    assert (standardised(np.full((3, 1), math.nan), 2) == 0).all()


def test_a_trend_follows_the_scores_and_is_flat_where_they_say_nothing() -> None:
    rng = np.random.default_rng(0)
    scores = standardised(rng.normal(size=(200, 2)), 100)
    found = trend(scores, 3.0 * scores[:100, 0] + 7.0)
    assert found == pytest.approx(3.0 * scores[:, 0] + 7.0, abs=0.3)
    assert trend(scores, np.full(100, 7.0)) == pytest.approx(7.0)


def test_only_a_shortlist_is_scored_for_a_proposal_and_nothing_twice() -> None:
    scored: list[tuple[Any, ...]] = []

    def score(choices: dict[str, Any]) -> list[float]:
        scored.append(tuple(choices[name] for name in sorted(choices)))
        return [count_a(choices)]

    sampler = Predictor(0, start=5, scores=score, shortlist=3)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    study.optimize(lambda trial: count_a(twelve(trial)), n_trials=5)
    assert scored == []
    study.optimize(lambda trial: count_a(twelve(trial)), n_trials=1)
    assert len(scored) == 5 + 3
    study.optimize(lambda trial: count_a(twelve(trial)), n_trials=4)
    assert len(set(scored)) == len(scored) <= 5 + 5 * 3


def test_after_networks_that_were_given_the_model_comes_at_once_and_stays_near_them() -> None:
    given = [{f"c{place}": "abcd"[(place + seed) % 4] for place in range(12)} for seed in range(4)]
    sampler = Predictor(0, start=10)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    for choices in given:
        study.enqueue_trial(choices)
    study.optimize(lambda trial: count_a(twelve(trial)), n_trials=16)
    assert [trial.params for trial in study.trials[:4]] == given
    for number, trial in enumerate(study.trials[4:], start=4):
        before = [other.params for other in study.trials[:number]]
        steps = min(sum(trial.params[name] != other[name] for name in other) for other in before)
        assert 1 <= steps <= 2
    assert max(trial.values[0] for trial in study.trials) > max(trial.values[0] for trial in study.trials[:4])
