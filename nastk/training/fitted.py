"""Batch, epochs and learning rate that suit a number of images: enough optimizer steps, however few the images are."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from nastk.checks import check_name
from nastk.training.seeds import SMALL

USUAL_BATCH = 64  # that the shipped learning rates are meant for
LEAST_BATCH = 8


@dataclass(frozen=True)
class Usual:
    """What a training has where there are images enough.

    Attributes:
        epochs: passes over the images.
        rates: highest learning rate at a batch of 64, of each optimizer.
        steps: that it has at least, by more epochs.
        tiny_steps: the same for images of up to 16 pixels a side.
    """

    epochs: int
    rates: Mapping[str, float]
    steps: int
    tiny_steps: int


SEARCH = Usual(epochs=4, rates={"sgd": 0.2, "adamw": 0.01, "muon": 0.05}, steps=320, tiny_steps=64)
SUPERNET = Usual(epochs=20, rates={"sgd": 0.6, "adamw": 0.01, "muon": 0.05}, steps=9000, tiny_steps=3000)
# Few images want more passes, not fewer: 3,200 steps are 3 to 5 points above 1,600, see
# scripts/benchmarks/reports/2026-11-27-small-data.md.
TRANSFER = Usual(epochs=20, rates={"sgd": 0.1, "adamw": 0.01, "muon": 0.05}, steps=3200, tiny_steps=320)
# An epoch of fewer steps takes a smaller batch.
STEPS_AN_EPOCH, TINY_STEPS_AN_EPOCH = 50, 16


def fitted_batch(images: int, size: int) -> int:
    """Returns images a step: a power of two from 8 to 64, fewer where an epoch would have less than 50 steps.

    Args:
        images: that are trained on.
        size: pixels a side; up to 16 there need be only 16 steps.
    """
    wanted = images // (TINY_STEPS_AN_EPOCH if size <= SMALL else STEPS_AN_EPOCH)
    batch: int = min(max(2 ** max(wanted.bit_length() - 1, 0), LEAST_BATCH), USUAL_BATCH)
    return max(min(batch, images), 2)


def fitted_epochs(images: int, batch: int, size: int, usual: Usual) -> int:
    """Returns the usual epochs, or as many more as the least number of steps takes."""
    steps = usual.tiny_steps if size <= SMALL else usual.steps
    return max(usual.epochs, math.ceil(steps / max(images // batch, 1)))


def fitted_rate(batch: int, usual: Usual, optimizer: str) -> float:
    """Returns the learning rate of a batch that was fitted: smaller for a smaller batch.

    In proportion with SGD (Goyal et al., "Accurate, Large Minibatch SGD: Training ImageNet in 1 Hour", 2017,
    arXiv 1706.02677), with its root where the length of a step does not depend on the gradient's (Malladi et al., "On
    the SDEs and Scaling Rules for Adaptive Gradient Algorithms", NeurIPS 2022).

    Raises:
        UserError: there is no optimizer of that name.
    """
    check_name("optimizer", optimizer, usual.rates)
    share = min(batch, USUAL_BATCH) / USUAL_BATCH
    return usual.rates[optimizer] * (share if optimizer == "sgd" else math.sqrt(share))
