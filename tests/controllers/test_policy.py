"""The LSTM policy: what it samples by is what it learns by, its vocabulary may grow, and rewards keep their order."""

from __future__ import annotations

import copy
import math
import random
from typing import Any

import pytest
import torch

from nastk.controllers.history import Record
from nastk.controllers.policy import Hidden, Policy
from nastk.controllers.reward import Rewards

OPTIONS: dict[str, tuple[Any, ...]] = {"op": ("a", "b", "c"), "state": (0, 1), "end": ("add", "concat")}


def record(score: float | None = None, **fields: Any) -> Record:
    return Record(0, {"op": "a"}, {"op": ("a", "b")}, None if score is None else (score,), **fields)


def log_odds_by_steps(policy: Policy, choices: dict[str, Any]) -> list[float]:
    logs, token = [], 0
    hidden: Hidden | None = None
    for name, value in choices.items():
        odds, hidden = policy.step(token, name, OPTIONS[name], hidden)
        assert float(odds.sum()) == pytest.approx(1.0)
        position = OPTIONS[name].index(value)
        logs.append(math.log(float(odds[position])))
        token = policy.tokens(name, OPTIONS[name])[position]
    return logs


def test_rows_of_different_lengths_have_the_odds_they_were_drawn_with() -> None:
    policy = Policy(seed=0, rate=0.01)
    rows = [{"op": "c", "state": 1, "end": "add"}, {"op": "b"}, {"op": "a", "end": "concat"}]
    for _ in range(5):
        encoded = [policy.encode(row, OPTIONS) for row in rows]
        policy.learn(encoded, lambda logs, entropies, counts: (logs * counts).sum())
    logs, entropies, counts = policy.log_odds([policy.encode(row, OPTIONS) for row in rows])
    for index, row in enumerate(rows):
        assert counts[index].tolist() == [step < len(row) for step in range(3)]
        assert logs[index][: len(row)].tolist() == pytest.approx(log_odds_by_steps(policy, row), abs=1e-5)
        assert (entropies[index][: len(row)] > 0).all()


def test_learning_makes_a_row_more_likely_and_leaves_copies_alone() -> None:
    policy = Policy(seed=0, rate=0.01)
    row = policy.encode({"op": "c", "state": 1}, OPTIONS)
    copied = copy.deepcopy(policy)
    before = policy.log_odds([row])[0].sum()
    for _ in range(20):
        policy.learn([row], lambda logs, entropies, counts: -logs.sum())
    assert policy.log_odds([row])[0].sum() > before + 0.5
    assert torch.equal(copied.log_odds([row])[0].sum(), before)


def test_the_first_weights_do_not_depend_on_when_a_name_was_met() -> None:
    early, late = Policy(seed=3, rate=0.01), Policy(seed=3, rate=0.01)
    late.tokens("other", (1, 2, 3))
    choices = {"op": "c", "state": 1}
    assert log_odds_by_steps(early, choices) == pytest.approx(log_odds_by_steps(late, choices), abs=1e-6)


def test_learning_is_adam_by_its_paper_and_what_is_met_later_starts_without_moments() -> None:
    """Kingma, Ba, ICLR 2015, in the order of the end of section 2, worked out here in double precision."""
    rate, first, second = 0.01, 0.9, 0.999
    policy = Policy(seed=0, rate=rate)
    known = {name: torch.zeros_like(one).double() for name, one in policy.named_parameters() if one.requires_grad}
    moments = {name: (zeros, zeros) for name, zeros in known.items()}
    for step, choices in enumerate([{"op": "c"}, {"op": "a", "state": 1}, {"state": 0, "end": "add"}], 1):
        episode = policy.encode(choices, OPTIONS)
        before = {name: policy.get_parameter(name).detach().double() for name in known}
        policy.learn([episode], lambda logs, entropies, counts: -3 * logs.sum() - entropies.sum())
        for name, weights in before.items():
            gradient = policy.get_parameter(name).grad
            assert gradient is not None
            mean, square = (torch.zeros_like(weights) for _ in range(2))
            for moment, older in zip((mean, square), moments[name], strict=True):
                moment[: len(older)] = older
            mean = first * mean + (1 - first) * gradient.double()
            square = second * square + (1 - second) * gradient.double() ** 2
            moments[name] = mean, square
            scale = rate * math.sqrt(1 - second**step) / (1 - first**step)
            expected = weights - scale * mean / (square.sqrt() + 1e-8)
            assert torch.allclose(policy.get_parameter(name).double(), expected, rtol=1e-4, atol=1e-7), (step, name)
    assert policy.log_odds([episode])[2].all()


def test_the_gradient_is_clipped() -> None:
    policy = Policy(seed=0, rate=0.01)
    policy.learn([policy.encode({"op": "c"}, OPTIONS)], lambda logs, entropies, counts: -1e6 * logs.sum())
    squares = [one.grad.square().sum() for one in policy.parameters() if one.grad is not None]
    assert float(torch.stack(squares).sum()) == pytest.approx(1.0, rel=1e-4)


def test_a_policy_draws_nothing_from_torch() -> None:
    before = torch.get_rng_state()
    Policy(seed=0, rate=0.01).encode({"op": "c", "state": 1}, OPTIONS)
    assert torch.equal(torch.get_rng_state(), before)


def test_rewards_rank_values_and_put_what_broke_a_limit_last_the_more_the_lower() -> None:
    rewards = Rewards(decay=0.95, window=50)
    rng = random.Random(0)
    for _ in range(30):
        assert -1 <= rewards.reward(record(rng.random())) <= 1
    best, middle, worst = (rewards.reward(record(value)) for value in (2.0, 0.5, -1.0))
    near, far = (rewards.reward(record(violation=amount)) for amount in (0.01, 5.0))
    failed, repeated = rewards.reward(record()), rewards.reward(record(2.0, duplicate=True))
    assert best > middle > worst > near > far
    assert worst > failed == repeated > far


def test_a_window_of_rewards_forgets() -> None:
    rewards = Rewards(decay=0.95, window=5)
    for value in (10.0, 11.0, 12.0, 1.0, 1.0, 1.0, 1.0, 1.0):
        rewards.reward(record(value))
    assert rewards.reward(record(2.0)) == pytest.approx(1 - 1 / 6)
