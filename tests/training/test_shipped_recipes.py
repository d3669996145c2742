"""`training=NAME` alone makes the recipe, the auxiliary head and drop path what the recipe's paper says."""

import hydra
import pytest
from omegaconf import DictConfig, OmegaConf

from nastk.config.build import shipped
from nastk.jobs.transfer.plan import TransferPlan, transfer_plan
from nastk.training.optimizers import OPTIMIZERS

SEARCHED = {"seed": 0, "evaluator": {"network": {"cells": 1, "filters": 4}}}


def planned(*overrides: str) -> TransferPlan:
    with hydra.initialize_config_dir(str(shipped("conf")), version_base="1.3"):
        config = hydra.compose("transfer", ["data=digits", *overrides])
    searched = OmegaConf.create(SEARCHED)
    assert isinstance(searched, DictConfig)
    return transfer_plan(config, searched)


def test_the_papers_recipe_brings_the_papers_head_and_drop_path() -> None:
    plan = planned("training=nasnet_cifar")
    assert plan.sizing.network.auxiliary
    assert plan.sizing.network.drop_path == pytest.approx(1 - 0.6)
    recipe = plan.recipe
    # The reference counts 937,500 steps: 600 epochs of 50,000 images in batches of 32.
    assert recipe.epochs * 50_000 / recipe.batch == 937_500
    assert (recipe.optimizer, recipe.learning_rate, recipe.warmup, recipe.decay) == ("sgd", 0.025, 0.0, "cosine")
    assert (recipe.weight_decay, recipe.clip, recipe.auxiliary) == (5e-4, 5.0, 0.4)
    assert recipe.rate(0, 937_500) == pytest.approx(0.025)
    assert recipe.rate(937_499, 937_500) == pytest.approx(0.0, abs=1e-10)
    augmentation = recipe.augmentation(0.0, True)
    assert augmentation.pixels(32) == (4, 16)
    assert (augmentation.padding, augmentation.flip, augmentation.alternate) == ("zero", True, False)
    # What came after the paper is off.
    assert (recipe.label_smoothing, recipe.average, recipe.mixing(10)) == (0.0, 0.0, None)


def test_each_part_can_be_switched_off_by_itself() -> None:
    plan = planned("training=nasnet_cifar", "training.auxiliary=0", "training.drop_path=0")
    assert (plan.sizing.network.auxiliary, plan.sizing.network.drop_path) == (False, 0.0)
    assert plan.recipe.clip == 5.0


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("name", ["fast", "nasnet_cifar"])
def test_every_recipe_takes_every_optimizer_and_blend(name: str, optimizer: str) -> None:
    parts = (f"training.optimizer={optimizer}", "training.mixup=0.2", "training.cutmix=1")
    recipe = planned(f"training={name}", *parts).recipe
    assert recipe.optimizer == optimizer
    assert recipe.mixing(10) is not None
