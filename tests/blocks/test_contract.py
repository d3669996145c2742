"""What every block family of the table promises, whichever file it is in."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, fx, nn

import nastk.genotype.families  # noqa: F401  (enters the families)
from nastk.blocks.register import Row, build_stage
from nastk.errors import UserError
from nastk.genotype.blocks import BLOCKS, Block, Flag, Names, Number, Option, Value, Whole, block_named
from nastk.genotype.stages import Stage
from nastk.ops.drop_path import DropPath

FAMILIES = sorted(name for name, family in BLOCKS.items() if not family.classifier)
CHANNELS, WIDER = 12, 24
SIDES = (8, 7)
# Options of which other values take more or fewer pixels than a stride says.
RESIZING = ("padding", "ceil")
KERNELS = ("kernel", "start", "middle")
GROUPS = ("groups", "group_width")
# Options with which one stage of a family is small, where its defaults are of a large network.
SMALL: dict[str, dict[str, Value]] = {
    "inception": {"branches": (4, 4, 8, 4, 8, 4)},
    "dense": {"growth": 4},
    "dual_path": {"growth": 4},
}
POOLING = ("global_pool",)  # whatever comes in, one pixel comes out
APPENDING = ("dual_path",)  # beside the stage's width come the channels of its dense path


def others(name: str, option: Option) -> list[Value]:
    """Returns values of an option beside its default."""
    found: list[Value] = []
    if name in RESIZING:
        return found
    if isinstance(option, Names):
        found = ["silu", "none"] if name.endswith("act") else list(option.names)
    elif isinstance(option, Flag):
        found = [not option.default]
    elif isinstance(option, Number):
        found = [option.default / 2 or 0.25]
    elif isinstance(option, Whole) and (name in KERNELS or name.endswith("_kernel")):
        found = [3, 5, *([0] if option.least == 0 else [])]
    elif isinstance(option, Whole):
        found = [4] if name in GROUPS else [option.default + 1]
    return [value for value in found if value != option.default]


def variants(family: Block) -> list[dict[str, Value]]:
    """Returns options: the defaults, and with each option in turn otherwise, none of them idle."""
    base = SMALL.get(family.name, {})
    found = [base]
    awake = {
        name: others(name, family.options[name])[0]
        for name, (value, _) in family.idle.items()
        if value == family.options[name].default
    }
    for name, option in family.options.items():
        found += [{**base, **awake, name: value} for value in others(name, option)]
    return found


def cases(strides: tuple[int, ...] = (1, 2)) -> list[Any]:
    """Returns family, options and stride for `parametrize`."""
    uses = [
        (block_named(name), options, stride)
        for name in FAMILIES
        for options in variants(block_named(name))
        for stride in (strides if block_named(name).strides else (1,))
    ]
    return [pytest.param(family.name, *use, id=_id(family.name, *use)) for family, *use in uses if _goes(family, *use)]


def _goes(family: Block, options: dict[str, Value], stride: int) -> bool:
    """Says whether the family lets these go together."""
    try:
        if family.check is not None:
            family.check(stride, {**family.complete({}), **options})
    except UserError:
        return False
    return True


def _id(name: str, options: dict[str, Value], stride: int) -> str:
    return "-".join([name, *(f"{key}={value}" for key, value in options.items()), f"stride={stride}"])


every_case = pytest.mark.parametrize(("name", "options", "stride"), cases())
every_variant = pytest.mark.parametrize(("name", "options", "stride"), cases((2,)))


def made(
    name: str, options: dict[str, Value], stride: int = 1, depth: int = 2, channels: int = CHANNELS, drop: float = 0.0
) -> nn.Module:
    """Returns a stage from `channels` to `WIDER` with lively statistics, in eval mode; weights are of one seed."""
    torch.manual_seed(0)
    asked = Stage(name, WIDER, depth, stride, tuple(options.items()))
    row = Row(channels, asked.width, depth, stride, [drop] * depth, (SIDES[0], SIDES[0]))
    module = build_stage(asked.block, row, asked.every_option).module
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            nn.init.normal_(part.running_mean, 0, 0.3)
            nn.init.uniform_(part.running_var, 0.5, 2)
            nn.init.uniform_(part.weight, 0.5, 2)
            nn.init.normal_(part.bias, 0, 0.3)
    return module.eval()


def images(height: int = 8, width: int = 8, channels: int = CHANNELS, count: int = 3) -> Tensor:
    return torch.randn(count, channels, height, width, generator=torch.Generator().manual_seed(7))


def side_after(name: str, side: int, stride: int) -> int:
    if name in POOLING:
        return 1
    return side // stride if block_named(name).floors else -(-side // stride)


@every_case
def test_gives_the_channels_asked_for_and_one_stride_of_pixels(
    name: str, options: dict[str, Value], stride: int
) -> None:
    module = made(name, options, stride)
    for height, width in ((8, 8), (7, 7), (7, 10)):
        found = module(images(height, width))
        assert found.shape[0] == 3
        assert found.shape[1] == WIDER or block_named(name).own_width or name in APPENDING
        assert tuple(found.shape[2:]) == (side_after(name, height, stride), side_after(name, width, stride))
        assert bool(found.isfinite().all())


@every_case
def test_gradients_reach_every_parameter_and_the_input(name: str, options: dict[str, Value], stride: int) -> None:
    module = made(name, options, stride).train()
    x = images().requires_grad_()
    found = module(x)
    (found * torch.randn(found.shape, generator=torch.Generator().manual_seed(1))).sum().backward()
    dead = [key for key, parameter in module.named_parameters() if not parameter.grad.abs().sum()]
    assert dead == []
    assert x.grad is not None and x.grad.abs().sum() > 0


@every_variant
def test_traces_to_the_same_function(name: str, options: dict[str, Value], stride: int) -> None:
    module = made(name, options, stride)
    traced = fx.symbolic_trace(module)
    for side in SIDES:
        assert torch.equal(traced(images(side, side)), module(images(side, side)))


@every_variant
def test_channels_last_and_float64_give_the_same(name: str, options: dict[str, Value], stride: int) -> None:
    module = made(name, options, stride)
    expected = module(images())
    module.to(memory_format=torch.channels_last)
    torch.testing.assert_close(module(images().to(memory_format=torch.channels_last)), expected, rtol=1e-4, atol=1e-4)
    double = module.double()(images().double())
    assert double.dtype == torch.float64
    torch.testing.assert_close(double.float(), expected, rtol=1e-4, atol=1e-4)


@every_variant
def test_in_eval_mode_each_image_has_its_own_answer(name: str, options: dict[str, Value], stride: int) -> None:
    module = made(name, options, stride)
    together = module(images())
    alone = torch.cat([module(image) for image in images().split(1)])
    torch.testing.assert_close(alone, together, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", FAMILIES)
def test_drop_path_drops_a_branch_of_some_images_in_training_only(name: str) -> None:
    module = made(name, SMALL.get(name, {}), drop=0.5, channels=WIDER)
    drops = [part for part in module.modules() if isinstance(part, DropPath)]
    same = images(channels=WIDER, count=1).expand(32, -1, -1, -1)
    alike = module(same)
    torch.testing.assert_close(alike, alike[:1].expand_as(alike), rtol=1e-4, atol=1e-4)
    module.train()
    dropped = module(same)
    assert bool(drops) == (not torch.allclose(dropped, dropped[:1].expand_as(dropped), rtol=1e-3, atol=1e-3))
    for drop in drops:
        drop.set_progress(0.0)
    kept = module(same)
    torch.testing.assert_close(kept, kept[:1].expand_as(kept), rtol=1e-3, atol=1e-3)
    without = made(name, SMALL.get(name, {}), channels=WIDER)
    assert not any(isinstance(part, DropPath) and part.at_end for part in without.modules())


@pytest.mark.parametrize("name", [name for name in FAMILIES if block_named(name).repeats])
def test_a_stage_that_repeats_is_its_parts_one_after_the_other(name: str) -> None:
    family = block_named(name)
    stride = 2 if family.strides else 1
    whole = made(name, SMALL.get(name, {}), stride, depth=3)
    torch.manual_seed(0)
    first = made(name, SMALL.get(name, {}), stride, depth=1)
    channels = first(images()).shape[1]
    rest = made(name, SMALL.get(name, {}), 1, depth=2, channels=channels)
    parts = [*first.state_dict().values(), *rest.state_dict().values()]
    keys = list(whole.state_dict())
    assert [whole.state_dict()[key].shape for key in keys] == [part.shape for part in parts]
    whole.load_state_dict(dict(zip(keys, parts, strict=True)))
    torch.testing.assert_close(whole(images()), rest(first(images())))
