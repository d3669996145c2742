"""What holds for every family that the classics are made of: shapes, gradients, drop path, maps that vanish."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from nastk.errors import UserError
from nastk.genotype.blocks import block_named
from nastk.genotype.stages import Stage, StageGenotype
from nastk.networks.stages import build_stages
from tests.blocks.stage import stage

FAMILIES: dict[str, dict[str, Any]] = {
    "conv": {},
    "dense": {"growth": 4},
    "dense_transition": {},
    "dual_path": {"growth": 4, "group_width": 4},
    "fire": {"squeeze": 4},
    "inception": {"branches": (4, 4, 8, 4, 8, 4)},
    "max_pool": {},
    "preact_basic": {},
    "preact_bottleneck": {},
    "residual_basic": {"se": 0.25},
    "residual_bottleneck": {"se": 0.25, "group_width": 2, "lead": 0.5},
    "xception": {"layers": 2},
    "xception_separable": {"kernel": 5},
}
RESIDUAL = ("preact_basic", "preact_bottleneck", "residual_basic", "residual_bottleneck", "xception")


@pytest.mark.parametrize("side", [8, 9])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("block", FAMILIES)
def test_a_stage_strides_once_and_every_parameter_learns(block: str, stride: int, side: int) -> None:
    torch.manual_seed(0)
    module = stage(block, 8, 16, depth=2, stride=stride, **FAMILIES[block])
    image = torch.randn(2, 8, side, side, requires_grad=True)
    made = module(image)
    expected = side // stride if block_named(block).floors else -(-side // stride)
    assert tuple(made.shape[2:]) == (expected, expected)
    (made * torch.randn_like(made)).sum().backward()
    assert image.grad is not None
    assert [name for name, parameter in module.named_parameters() if not parameter.grad.abs().sum()] == []


def apart(network: torch.nn.Module) -> bool:
    """Says whether equal images of a batch have different results."""
    logits = network(torch.ones(16, 3, 8, 8))
    return not torch.allclose(logits, logits[:1].expand_as(logits), atol=1e-5)


@pytest.mark.parametrize("block", ["dense", "dual_path", "nasnet_cell", *RESIDUAL])
def test_drop_path_drops_for_each_image_by_itself_and_more_with_progress(block: str) -> None:
    torch.manual_seed(0)
    family = block_named(block)
    options = tuple(FAMILIES.get(block, {}).items())
    genotype = StageGenotype((Stage("conv", 16), Stage(block, 0 if family.own_width else 16, 2, options=options)))
    network = build_stages(genotype, classes=4, channels=3, height=8, width=8, drop_path=0.5)
    network.set_drop_path_progress(1.0)
    assert apart(network)
    network.set_drop_path_progress(0.0)
    assert not apart(network)
    network.set_drop_path_progress(1.0)
    assert not apart(network.eval())


WINDOWS: list[dict[str, Any]] = [
    {"block": "conv", "kernel": 3, "padding": 0},
    {"block": "conv", "kernel": 3, "padding": 0, "stride": 2},
    {"block": "conv", "kernel": 11, "padding": 2, "stride": 4},
    {"block": "conv", "kernel": 3, "dilation": 2, "padding": 1},
    {"block": "conv", "kernel": 3, "padding": 0, "depth": 3},
    {"block": "max_pool", "kernel": 3, "padding": 0, "stride": 2, "ceil": True},
    {"block": "max_pool", "kernel": 2, "stride": 2},
    {"block": "max_pool", "kernel": 2, "stride": 2, "padding": 1, "ceil": True},
    {"block": "dense_transition", "stride": 2},
    {"block": "dense_transition", "stride": 3},
    {"block": "residual_basic", "stride": 2},
]


@pytest.mark.parametrize("window", WINDOWS, ids=str)
def test_a_network_is_refused_exactly_where_torch_could_not_run_it_or_a_stride_has_nothing_to_leave(
    window: dict[str, Any],
) -> None:
    stages = [Stage.from_dict({"width": 4, **window}) for _ in range(2)]
    alone = [stage(one.block, 4, 4, one.depth, one.stride, **one.every_option).eval() for one in stages]
    for side in range(1, 40):
        assert _runs(alone, side, stages[0].stride) == _accepted(stages, side), side


def _runs(modules: list[torch.nn.Module], side: int, stride: int) -> bool:
    maps = torch.zeros(1, 4, side, side)
    for module in modules:
        if stride > 1 and maps.shape[2] < 2:
            return False
        try:
            maps = module(maps)
        except RuntimeError:
            return False
    return True


def _accepted(stages: list[Stage], side: int) -> bool:
    try:
        build_stages(StageGenotype(tuple(stages)), classes=2, channels=4, height=side, width=side)
    except UserError as error:
        assert "shrinks a map" in str(error)
        return False
    return True


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"block": "conv", "kernel": 5, "padding": 2}, {"block": "conv", "kernel": 5}),
        ({"block": "conv", "kernel": 3, "dilation": 2, "padding": 2}, {"block": "conv", "kernel": 3, "dilation": 2}),
        ({"block": "conv", "kernel": 1, "dilation": 3}, {"block": "conv", "kernel": 1}),
        ({"block": "max_pool", "kernel": 3, "padding": 1, "ceil": True}, {"block": "max_pool"}),
        ({"block": "residual_bottleneck", "shortcut_kernel": 3}, {"block": "residual_bottleneck"}),
    ],
    ids=str,
)
def test_what_computes_the_same_is_the_same(one: dict[str, Any], other: dict[str, Any]) -> None:
    stages = [Stage.from_dict({"width": 16, **fields}) for fields in (one, other)]
    assert stages[0] == stages[1]
    assert Stage.from_dict(stages[0].to_dict()) == stages[0]


def test_a_cut_after_the_block_that_strides_changes_no_key() -> None:
    options = {"block": "residual_bottleneck", "width": 16, "group_width": 4, "shortcut_kernel": 3}
    whole = StageGenotype((Stage.from_dict({**options, "depth": 3, "stride": 2}),))
    cut = StageGenotype((Stage.from_dict({**options, "stride": 2}), Stage.from_dict({**options, "depth": 2})))
    other = StageGenotype((Stage.from_dict({**options, "stride": 2, "shortcut_kernel": 1}), *cut.stages[1:]))
    assert whole.key == cut.key != other.key
