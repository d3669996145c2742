"""The training evaluator: what it measures, that it repeats, and how candidates without a result are told."""

import dataclasses
import json
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from nastk.config.build import build, load_yaml, shipped
from nastk.data.images import Images
from nastk.data.sources import Digits
from nastk.errors import UserError
from nastk.evaluators import EvaluationFailed, Pruned
from nastk.evaluators.training import TrainingEvaluator
from nastk.genotype import Genotype
from nastk.genotype.stages import StageGenotype
from nastk.jobs.parts import without_automatic
from nastk.seeds import derive_seed
from tests.training.small import genotype

NETWORK = {"cells": 1, "filters": 4}


def evaluator(**fields: Any) -> TrainingEvaluator:
    settings: dict[str, Any] = {"network": NETWORK, "epochs": 2, "device": "cpu", "threads": 1}
    return TrainingEvaluator(**{"data": Digits(subset=240), **settings, **fields})


def ignore(epoch: int, accuracy: float) -> None:
    """A report that nobody reads."""


def result(made: TrainingEvaluator, candidate: Genotype | None = None) -> dict[str, float]:
    metrics = made.evaluate(candidate or genotype(), ignore)
    return {name: value for name, value in metrics.items() if name != "train_seconds"}


def test_training_beats_chance_by_far_and_reports_every_epoch() -> None:
    reports: list[tuple[int, float]] = []
    metrics = evaluator(data=Digits(), epochs=4, network={"cells": 1, "filters": 8}).evaluate(
        genotype("sep_conv_3x3"), lambda epoch, accuracy: reports.append((epoch, accuracy))
    )
    assert metrics["accuracy"] > 0.7
    assert [epoch for epoch, _ in reports] == [1, 2, 3, 4]
    assert reports[-1][1] == metrics["accuracy"]
    assert reports[0][1] < metrics["accuracy"]
    assert metrics["epochs"] == 4
    assert 0 < metrics["train_seconds"] < 120
    assert 0 < metrics["loss"] < 2.3


def test_a_result_repeats_bit_by_bit_whatever_ran_before() -> None:
    first = result(evaluator())
    made = evaluator()
    result(made, genotype("conv_3x3"))
    torch.rand(3)
    assert result(made) == first
    assert result(evaluator()) == first


def test_class_weights_change_what_is_learnt_and_balanced_accuracy_is_told() -> None:
    plain, weighted = result(evaluator()), result(evaluator(class_weights=(1.0,) * 9 + (30.0,)))
    assert 0 <= plain["balanced_accuracy"] <= 1 and plain["loss"] != weighted["loss"]
    assert result(evaluator(class_weights=(2.0,) * 10))["loss"] == pytest.approx(plain["loss"], rel=1e-3)
    with pytest.raises(UserError, match="class_weights: 3 numbers, expected 10"):
        evaluator(class_weights=(1.0, 2.0, 3.0))


def test_a_result_repeats_in_another_process() -> None:
    code = "import json; from tests.evaluators.test_training import *; print(json.dumps(result(evaluator())))"
    other = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert json.loads(other.stdout) == result(evaluator())
    assert other.stderr == ""


def test_another_seed_gives_another_result_on_other_images() -> None:
    assert result(evaluator(seed=1)) != result(evaluator())


def test_a_repeat_is_another_training_on_the_same_images() -> None:
    first, second = evaluator(), evaluator(repeat=1)
    assert result(second) != result(first)
    assert result(evaluator(repeat=1)) == result(second) != result(evaluator(repeat=2))
    assert first.data_record() == second.data_record()
    with pytest.raises(UserError, match=r"repeat=-1, expected a whole number from 0"):
        evaluator(repeat=-1)


def test_the_global_generator_and_the_threads_are_given_back() -> None:
    torch.manual_seed(3)
    before, threads = torch.get_rng_state(), torch.get_num_threads()
    result(evaluator(threads=threads + 1, epochs=1, data=Digits(subset=100)))
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.get_num_threads() == threads


@dataclasses.dataclass(frozen=True)
class NoTest(Digits):
    """Digits whose test part must not be read."""

    def test(self) -> Images:
        raise AssertionError("the evaluator read the test images")


def test_the_test_images_are_never_read() -> None:
    assert result(evaluator(data=NoTest(subset=240))) == result(evaluator())


def test_a_candidate_that_diverges_fails_with_the_reason() -> None:
    with pytest.raises(EvaluationFailed, match=r"diverged: the \w+ loss is (nan|inf) in epoch [12]$"):
        evaluator(learning_rate=1e30, clip=0.0).evaluate(genotype(), ignore)


@pytest.fixture(scope="module")
def plain() -> dict[str, float]:
    return result(evaluator())


@pytest.mark.parametrize("parts", [{"optimizer": "adamw"}, {"mixup": 0.2, "cutmix": 1.0}, {"average": 0.2}])
def test_divergence_is_told_whatever_the_recipe_is_made_of(parts: dict[str, Any]) -> None:
    with pytest.raises(EvaluationFailed, match=r"diverged: the \w+ loss is (nan|inf) in epoch [12]$"):
        evaluator(learning_rate=1e30, clip=0.0, **parts).evaluate(genotype(), ignore)


@pytest.mark.parametrize(
    "part",
    [
        {"mixup": 0.2},
        {"cutmix": 1.0},
        {"average": 0.5},
        {"cutout": 0.25},
        {"crop": 0.25},
        {"flip": True},
        {"label_smoothing": 0.0},
        {"warmup": 0.5},
        {"decay": "linear"},
        {"clip": 0.01},
        {"weight_decay": 0.1},
        {"auxiliary": 0.4},
        {"drop_path": 0.3},
        {"optimizer": "adamw", "learning_rate": 0.003},
    ],
    ids=str,
)
def test_every_part_of_the_recipe_has_an_effect(part: dict[str, Any], plain: dict[str, float]) -> None:
    assert result(evaluator(**part)) != plain


def test_with_all_of_the_recipe_a_result_repeats() -> None:
    parts: dict[str, Any] = {"mixup": 0.2, "cutmix": 1.0, "average": 0.5, "flip": True, "alternate": False}
    parts |= {"auxiliary": 0.4, "drop_path": 0.3, "cutout": 0.25, "optimizer": "adamw", "learning_rate": 0.003}
    assert result(evaluator(**parts)) == result(evaluator(**parts))


def test_the_average_is_what_is_scored_and_training_goes_on_as_without(plain: dict[str, float]) -> None:
    averaged = result(evaluator(average=0.5))
    assert averaged["train_loss"] == plain["train_loss"]
    assert averaged["loss"] != plain["loss"]


def test_a_candidate_that_takes_too_long_fails_with_the_reason() -> None:
    start = time.monotonic()
    with pytest.raises(EvaluationFailed, match=r"took longer than max_seconds=0\.5$"):
        evaluator(epochs=100_000, max_seconds=0.5).evaluate(genotype(), ignore)
    assert time.monotonic() - start < 120  # and not the hours of all epochs


def test_a_candidate_that_runs_out_of_memory_fails_with_the_reason() -> None:
    # 1x1 weights of 6e6 x 6e6 floats are 144 TB: more than any address space of 47 bits holds.
    network = {"cells": 1, "filters": 6_000_000, "stem_multiplier": 1}
    with pytest.raises(EvaluationFailed, match="out of memory") as caught:
        evaluator(network=network).evaluate(genotype(), ignore)
    assert "\n" not in caught.value.reason


def test_after_a_failure_the_next_candidate_is_as_ever() -> None:
    expected = result(evaluator())
    with pytest.raises(EvaluationFailed):
        evaluator(learning_rate=1e30, clip=0.0).evaluate(genotype(), ignore)
    assert result(evaluator()) == expected


def test_a_report_can_end_the_training() -> None:
    seen: list[int] = []

    def prune(epoch: int, accuracy: float) -> None:
        seen.append(epoch)
        if epoch == 2:
            raise Pruned("dominated")

    with pytest.raises(Pruned, match="dominated"):
        evaluator(epochs=5).evaluate(genotype(), prune)
    assert seen == [1, 2]


def test_ctrl_c_goes_through_as_it_is() -> None:
    def interrupt(epoch: int, accuracy: float) -> None:
        threading.Thread(target=os.kill, args=(os.getpid(), signal.SIGINT)).start()

    with pytest.raises(KeyboardInterrupt):
        evaluator(epochs=100_000, max_seconds=60.0).evaluate(genotype(), interrupt)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_bug_keeps_its_traceback() -> None:
    def broken(epoch: int, accuracy: float) -> None:
        raise RuntimeError("a bug")

    with pytest.raises(RuntimeError, match="a bug"):
        evaluator().evaluate(genotype(), broken)


def test_the_network_is_the_data_sources_in_channels_size_and_classes() -> None:
    config = evaluator().network_config
    assert (config.classes, *config.shape, *config.sizes.values()) == (10, 1, 8, 8, 1, 4)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"epochs": 0}, "epochs=0"),
        ({"seed": -1}, "seed=-1"),
        ({"data": Digits(subset=5000)}, "subset=5000, expected 1 to 1150"),
        ({"data": Digits(subset=9)}, "at least one of each of the 10 classes"),
        ({"data": Digits(validation=1437)}, "validation=1437: leaves a class without a training image"),
        ({"batch": 241}, "batch=241, expected at most 240"),
        ({"max_seconds": 0.0}, "max_seconds=0.0"),
        ({"threads": 0}, "threads=0"),
        ({"device": "gpu"}, "device='gpu', expected auto or one of: cpu"),
        ({"crop": 2.0}, "crop=2.0"),
        ({"padding": "mirror"}, "unknown padding 'mirror'"),
        ({"network": {"filters": -1}}, "filters=-1"),
        ({"network": {"filter": 8}}, "unknown field of network 'filter'; nearest is 'filters'"),
        ({"network": {"classes": 5}}, "network.classes=5: follows from the data"),
        ({"network": {"drop_path": 0.1}}, "network.drop_path=0.1: is the recipe's, give evaluator.drop_path"),
        ({"drop_path": 1.0}, "drop_path=1.0"),
    ],
)
def test_an_impossible_setting_is_refused_before_anything_is_trained(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        evaluator(**fields)


def test_auxiliary_head_and_drop_path_are_the_recipes() -> None:
    config = evaluator().network_config
    assert (config.auxiliary, config.drop_path) == (False, 0.0)
    config = evaluator(auxiliary=0.4, drop_path=0.2).network_config
    assert (config.auxiliary, config.drop_path) == (True, 0.2)


def test_the_shipped_configuration_makes_it_and_a_small_candidate_trains(tmp_path: Path) -> None:
    node = load_yaml(shipped("conf") / "evaluator" / "training.yaml")
    node.epochs = 1
    made = build(without_automatic(node)[0], "evaluator", data=Digits(), seed=4)
    assert isinstance(made, TrainingEvaluator)
    assert made.seed == 4
    assert derive_seed(made.seed, "subset") >= 0
    assert made.evaluate(genotype(), ignore)["epochs"] == 1


def test_the_data_sources_word_on_augmentation_holds_unless_the_settings_say_otherwise() -> None:
    as_said = result(evaluator())
    assert result(evaluator(crop=0.125, flip=False)) == as_said
    assert result(evaluator(crop=0.0)) != as_said
    assert result(evaluator(data=Digits(subset=240, crop=0.0))) == result(evaluator(crop=0.0))
    assert result(evaluator(flip=True)) != as_said


def test_a_pickled_evaluator_gives_the_same_result_and_takes_no_images_along() -> None:
    made = evaluator()
    expected = result(made)
    stored = pickle.dumps(made)
    assert len(stored) < 2000
    assert pickle.loads(stored) == made
    assert result(pickle.loads(stored)) == expected


def test_a_candidate_with_a_resolution_of_its_own_sees_images_of_that_size() -> None:
    plain = {"kind": "stages", "stages": [{"block": "conv", "width": 16, "stride": 2}]}
    own, small = (StageGenotype.from_dict({**plain, "resolution": side}) for side in (0, 8))
    made = evaluator(data=Digits(subset=240, resize=16), network={}, resolutions=(16, 8))
    expected = evaluator(network={}).evaluate(dataclasses.replace(own, resolution=8), ignore)
    assert result(made, small) == {name: value for name, value in expected.items() if name != "train_seconds"}
    assert result(made, own) != result(made, small)
    assert made.first_step(small).seconds > 0
    there = pickle.loads(pickle.dumps(made.carried("cpu")))
    assert result(there, small) == result(made, small)
