"""Every switch changes the training, and what is impossible is refused by name."""

import math
from typing import Any

import pytest

from nastk.config.build import load_yaml, shipped
from nastk.errors import UserError
from nastk.training.mixing import Mixing
from nastk.training.settings import TrainingSettings
from nastk.training.transfer_settings import TransferSettings


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("average", 1.5),
        ("average", math.nan),
        ("mixup", -0.1),
        ("mixup", True),
        ("mixup", math.inf),
        ("cutmix", "1"),
        ("cutmix", -1),
        ("crop", 3.0),
        ("cutout", 1.5),
        ("flip", "yes"),
        ("alternate", 1),
        ("seed", -1),
        ("threads", 0),
    ],
)
def test_an_impossible_value_is_refused_by_name(field: str, value: object) -> None:
    with pytest.raises(UserError, match=f"{field}=") as caught:
        TrainingSettings(**{field: value})  # type: ignore[arg-type]
    assert repr(value) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_holdout_is_true_or_false() -> None:
    with pytest.raises(UserError, match="holdout=1, expected true or false"):
        TransferSettings(holdout=1)  # type: ignore[arg-type]


def test_without_an_alpha_nothing_is_mixed() -> None:
    assert TrainingSettings().mixing(10) is None
    assert TrainingSettings(mixup=0.2).mixing(10) == Mixing(0.2, 0.0, 10)
    assert TrainingSettings(cutmix=1.0).mixing(7) == Mixing(0.0, 1.0, 7)


@pytest.mark.parametrize("name", ["training/fast", "training/nasnet_cifar", "evaluator/training"])
def test_a_shipped_recipe_names_every_setting_but_the_seed(name: str) -> None:
    group, _ = name.split("/")
    kind: Any = TransferSettings if group == "training" else TrainingSettings
    given = load_yaml(shipped("conf") / f"{name}.yaml")
    assert set(kind.__dataclass_fields__) - {"seed"} <= set(given)
