"""The recipe that benchmarks train by is that of a transfer, and what they change in it counts."""

import math
from pathlib import Path

import pytest

from nastk.genotype import Genotype
from nastk.jobs.transfer.fitting import fitted_recipe
from tests.benchmarks.scripts import script
from tests.jobs.transfer.test_fitting import drawn, planned


def test_it_is_what_a_transfer_of_as_many_images_is_trained_by(tmp_path: Path) -> None:
    plan = planned()
    cells: Genotype = drawn("nasnet", 0)
    wanted = fitted_recipe(plan, plan.recipe, cells, plan.sizing.network, tmp_path)
    found = script("fast_recipe").fast_recipe(len(plan.data.train()), plan.data.size)
    assert found == wanted


def test_a_changed_optimizer_brings_its_rate_and_a_changed_rate_stays() -> None:
    fast_recipe = script("fast_recipe").fast_recipe
    assert fast_recipe(200, 64, optimizer="sgd").learning_rate == pytest.approx(0.1 * 8 / 64)
    assert fast_recipe(200, 64, batch=32).learning_rate == pytest.approx(0.05 * math.sqrt(32 / 64))
    changed = fast_recipe(200, 64, optimizer="sgd", learning_rate=0.3, epochs=7, seed=3)
    assert (changed.optimizer, changed.learning_rate, changed.epochs, changed.seed) == ("sgd", 0.3, 7, 3)


def test_the_mean_of_differences_and_how_far_it_may_be_off() -> None:
    mean_and_reach = script("intervals").mean_and_reach
    mean, reach = mean_and_reach([1.0, 2.0, 3.0])
    assert (mean, reach) == (2.0, pytest.approx(4.303 / math.sqrt(3), rel=1e-3))  # 4.303: the table of Student's t
    mean, reach = mean_and_reach([0.5])
    assert mean == 0.5
    assert math.isnan(reach)
