"""Genotypes of stages: which of them are the same network, and what a file may not say."""

from __future__ import annotations

import random
from typing import Any

import pytest
import torch

from nastk.errors import UserError
from nastk.genotype.stages import StageGenotype
from nastk.networks.stages import build_stages

BASIC = {"block": "residual_basic", "width": 16}


def genotype(*stages: dict[str, Any], **rest: Any) -> StageGenotype:
    """Returns the genotype of some stages."""
    return StageGenotype.from_dict({"kind": "stages", "stages": list(stages), **rest})


SAME = [
    ([{**BASIC, "depth": 3, "stride": 2}], [{**BASIC, "depth": 1, "stride": 2}, {**BASIC, "depth": 2}]),
    ([{**BASIC, "act": "relu"}], [BASIC]),
    ([BASIC, {"block": "skip", "width": 16, "depth": 4}], [BASIC]),
    ([BASIC, {"block": "skip", "width": 32, "depth": 4}], [BASIC, {"block": "skip", "width": 32}]),
    ([BASIC, {"block": "max_pool", "width": 64, "stride": 2}], [BASIC, {"block": "max_pool", "width": 8, "stride": 2}]),
]
OTHER = [
    ([{**BASIC, "depth": 3}], [{**BASIC, "depth": 2}]),
    ([{**BASIC, "stride": 2}], [BASIC]),
    ([BASIC, {**BASIC, "stride": 2}], [{**BASIC, "depth": 2}]),
    ([{**BASIC, "act": "silu"}], [BASIC]),
    ([BASIC, {"block": "skip", "width": 16, "stride": 2}], [BASIC]),
]


def trained_alike(one: StageGenotype, other: StageGenotype) -> bool:
    """Says whether networks drawn with one seed compute the same, weights being made in the same order."""
    results = []
    for made in (one, other):
        torch.manual_seed(0)
        network = build_stages(made, classes=4, channels=3, height=16, width=16).eval()
        results.append(network(torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(1))))
    return torch.equal(*results)


@pytest.mark.parametrize(("one", "other"), SAME)
def test_equal_functions_have_equal_keys(one: list[dict[str, Any]], other: list[dict[str, Any]]) -> None:
    assert genotype(*one).key == genotype(*other).key
    assert trained_alike(genotype(*one), genotype(*other))


@pytest.mark.parametrize(("one", "other"), OTHER)
def test_other_functions_have_other_keys(one: list[dict[str, Any]], other: list[dict[str, Any]]) -> None:
    assert genotype(*one).key != genotype(*other).key
    assert not trained_alike(genotype(*one), genotype(*other))


@pytest.mark.parametrize("seed", range(30))
def test_stages_cut_anywhere_have_one_key_and_compute_the_same(seed: int) -> None:
    rng = random.Random(seed)
    stages, cut = [], []
    for _ in range(rng.randint(1, 3)):
        stage = {**BASIC, "width": rng.choice([8, 16]), "depth": rng.randint(1, 4), "stride": rng.choice([1, 2])}
        first = rng.randint(1, stage["depth"])
        stages.append(stage)
        cut.append({**stage, "depth": first})
        cut += [{**stage, "depth": stage["depth"] - first, "stride": 1}] if stage["depth"] > first else []
    assert genotype(*stages).key == genotype(*cut).key
    assert trained_alike(genotype(*stages), genotype(*cut))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([], "expected an object"),
        ({"kind": "stages", "stagess": []}, "'stagess'.*stages"),
        ({"kind": "stages", "stages": [{"block": "residual_bsic", "width": 8}]}, "stages 0.*'residual_bsic'.*residual"),
        ({"kind": "stages", "stages": [{**BASIC, "axt": "relu"}]}, "'axt'.*act"),
        ({"kind": "stages", "stages": [{**BASIC, "depth": 0}]}, "depth=0, expected a whole number from 1"),
        ({"kind": "stages", "stages": [{**BASIC, "width": True}]}, "width=True"),
        ({"kind": "stages", "stages": {}}, "expected a list"),
        ({"kind": "stages", "stages": []}, "0 stages"),
        ({"kind": "stages", "stages": [{"block": "pooled_classifier"}]}, "as the classifier"),
        ({"kind": "stages", "stages": [BASIC], "classifier": BASIC}, "expected a family that gives logits"),
        ({"kind": "stages", "stages": [BASIC], "schema": 2}, "schema 2"),
    ],
)
def test_a_file_that_contradicts_itself_is_refused(data: Any, message: str) -> None:
    with pytest.raises(UserError, match=message):
        StageGenotype.from_dict(data)


def test_stages_that_leave_no_pixel_are_refused() -> None:
    with pytest.raises(UserError, match=r"stage 2 .*shrinks a map of 1x1 pixels below 1x1"):
        build_stages(genotype(*[{**BASIC, "stride": 2}] * 3), classes=2, channels=3, height=4, width=4)
