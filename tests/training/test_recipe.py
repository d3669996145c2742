"""The learning rate's course, who is decayed, and what is refused."""

import math

import pytest
from torch import nn

from nastk.errors import UserError
from nastk.training.recipe import Recipe


@pytest.mark.parametrize("decay", ["cosine", "linear"])
def test_the_rate_rises_to_its_peak_and_falls_to_nearly_zero(decay: str) -> None:
    recipe = Recipe(learning_rate=0.3, warmup=0.2, decay=decay)
    rates = [recipe.rate(step, 100) for step in range(100)]
    assert rates[0] == pytest.approx(0.3 / 20)
    assert max(rates) == pytest.approx(0.3, rel=0.03)
    top = rates.index(max(rates))
    assert 18 <= top <= 20
    assert rates[: top + 1] == sorted(rates[: top + 1])
    assert rates[top:] == sorted(rates[top:], reverse=True)
    assert 0 <= rates[-1] < 0.01


def test_without_warmup_a_cosine_starts_at_the_peak() -> None:
    recipe = Recipe(learning_rate=0.025, warmup=0.0)
    assert recipe.rate(0, 1000) == pytest.approx(0.025, rel=1e-4)
    assert recipe.rate(499, 1000) == pytest.approx(0.0125, rel=1e-2)


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_the_shortest_trainings_have_a_rate_at_every_step(steps: int) -> None:
    for warmup in (0.0, 0.5, 1.0):
        rates = [Recipe(warmup=warmup).rate(step, steps) for step in range(steps)]
        assert all(0 <= rate <= 0.1 + 1e-12 for rate in rates)


def test_norms_and_biases_have_no_weight_decay() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4, 2))
    decayed, free = Recipe(weight_decay=0.01).make_optimizer(network).param_groups
    assert (decayed["weight_decay"], free["weight_decay"]) == (0.01, 0.0)
    assert sorted(p.ndim for p in decayed["params"]) == [2, 4]
    assert [p.ndim for p in free["params"]] == [1, 1, 1, 1]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("epochs", 0),
        ("epochs", 2.5),
        ("batch", 1),
        ("batch", True),
        ("learning_rate", 0.0),
        ("learning_rate", math.nan),
        ("learning_rate", math.inf),
        ("learning_rate", "0.1"),
        ("warmup", 1.5),
        ("momentum", 1.0),
        ("weight_decay", -1e-4),
        ("label_smoothing", 1.0),
        ("clip", -1.0),
        ("auxiliary", -0.4),
        ("decay", "cosin"),
        ("optimizer", "sdg"),
        ("drop_path", 1.0),
    ],
)
def test_an_impossible_value_is_refused_by_name(field: str, value: object) -> None:
    with pytest.raises(UserError, match=f"{field}") as caught:
        Recipe(**{field: value})
    assert repr(value) in str(caught.value)
