"""float32 or bfloat16 on a CPU: when timed steps choose, what they choose, and what stays in float32."""

from __future__ import annotations

import warnings

import pytest
import torch
from torch.nn.functional import cross_entropy

from nastk.data.normalisation import statistics
from nastk.data.sources import Digits
from nastk.dense.settings import DenseSettings
from nastk.errors import UserError
from nastk.networks import build_network
from nastk.training.augment import Augmentation
from nastk.training.averaging import AveragingClassifier
from nastk.training.batches import Batches
from nastk.training.device import place
from nastk.training.fit import fit
from nastk.training.precision import StepTimes, left_to_timing, step_times
from nastk.training.recipe import Recipe
from nastk.training.settings import TrainingSettings
from tests.training.small import CONFIG, genotype

CPU = torch.device("cpu")
IMAGES = Digits().train()
ALL_STEPS = len(IMAGES) // 64


def trained(precision: str) -> AveragingClassifier:
    network = build_network(genotype("sep_conv_3x3"), CONFIG)
    place(network, CPU)
    given = {"batch": 64, "augmentation": Augmentation(), "seed": 1, "device": CPU}
    batches = Batches(IMAGES, statistics(IMAGES), **given)  # type: ignore[arg-type]
    recipe = Recipe(epochs=1, precision=precision)
    module = AveragingClassifier(network, batches, recipe, seed=0, after_epoch=lambda *_: None, average=0.1)
    fit(module, CPU)
    return module


def test_bf16_is_taken_where_it_is_clearly_faster() -> None:
    assert StepTimes(1.2, 1.0).precision == "bf16"
    assert StepTimes(1.1, 1.0).precision == "fp32"
    assert StepTimes(1.0, 2.0).precision == "fp32"


def test_time_decides_where_it_is_asked_to_and_the_processor_has_the_instructions(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def asked(sets: list[str], **fields: str) -> bool:
        monkeypatch.setattr("nastk.processor.bf16_sets", lambda system: sets)
        return left_to_timing(TrainingSettings(**{"device": "cpu", "precision": "timed", **fields}))  # type: ignore[arg-type]

    assert asked(["AVX512_BF16"])
    assert asked(["AMX"])
    assert not asked(["ARM BF16"])
    assert not asked([])
    assert not any(asked(["AMX"], precision=given) for given in ("auto", "fp32", "bf16"))


def test_timing_takes_steps_of_both_and_leaves_the_process_as_it_was() -> None:
    before, threads = torch.get_rng_state(), torch.get_num_threads()
    times = step_times(genotype("sep_conv_3x3"), CONFIG, TrainingSettings(batch=16, threads=1))
    assert times is not None
    assert min(times) > 0
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.get_num_threads() == threads


def test_weights_their_average_and_all_statistics_stay_in_float32() -> None:
    module = trained("bf16")
    kinds = {value.dtype for value in module.state_dict().values()}
    assert kinds == {torch.float32, torch.int64}  # int64: how many batches were counted
    state = module.optimizers().state.values()  # type: ignore[union-attr]
    assert {value.dtype for one in state for value in one.values()} == {torch.float32}


def test_the_loss_of_bfloat16_logits_is_computed_in_float32() -> None:
    logits, labels = torch.randn(64, 10).bfloat16(), torch.arange(64) % 10
    with torch.autocast("cpu", torch.bfloat16):
        found = cross_entropy(logits, labels, label_smoothing=0.1)
    assert torch.equal(found, cross_entropy(logits.float(), labels, label_smoothing=0.1))


def test_bf16_without_the_instructions_trains_and_says_so_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nastk.training.fit.bf16_sets", list)
    with pytest.warns(UserWarning, match="^precision=bf16: this processor has no instructions for it .*fp32$"):
        trained("bf16")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        trained("fp32")


def test_a_dense_training_which_times_nothing_refuses_to_be_timed() -> None:
    with pytest.raises(UserError, match="^precision=timed: times steps of classifiers, expected fp32 or bf16"):
        DenseSettings(precision="timed")
