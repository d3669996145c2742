"""A small space of stages, with every kind of part that shared weights have, and an evaluator of it."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

from nastk.data.sources import Digits
from nastk.evaluators.supernet import SupernetEvaluator
from nastk.spaces import StageSpace

FAMILIES = [
    *("rep_conv", "residual_basic", "depthwise_separable", "fused_inverted_residual", "inverted_residual"),
    {"block": "universal_inverted_bottleneck", "start": 3},
]
FEW = ["rep_conv", "inverted_residual"]
STAGE: dict[str, Any] = {
    **{"width": [8, 16], "stride": [1, 2], "kernel": [3, 5], "expansion": [1.0, 2.0]},
    **{"act": ["relu", "hardswish"], "se": [0.0, 0.5]},
}


def space(families: Sequence[object] = FEW, **given: Any) -> StageSpace:
    """Returns a space of two stages for images of 8 pixels, that are also seen with 4."""
    first, second = ({**STAGE, "block": families, "depth": depth} for depth in ([1, 2], [0, 1, 2]))
    rows: dict[str, Any] = {
        "stem": [{"block": "conv", "width": [8, 16]}],
        "stages": [first, second],
        "head": [{"block": "conv", "kernel": 1, "depth": [0, 1], "width": [16, 32]}],
    }
    return StageSpace(**{**rows, "size": 8, "least": 2, "resolution": (8, 4), **given})


@functools.cache
def digits() -> Digits:
    return Digits(subset=320, validation=200)


def evaluator(**given: Any) -> SupernetEvaluator:
    """Returns one that trains the space's weights for two epochs of ten steps."""
    usual: dict[str, Any] = {"data": digits(), "space": space(), "epochs": 2, "batch": 32, "threads": 1}
    found = {**usual, "checkpoint_minutes": 0.0, **given}
    return SupernetEvaluator(**found, resolutions=getattr(found["space"], "resolutions", ()))
