"""What residual blocks compute: groups, squeeze-and-excitation, shortcuts and pre-activation."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from nastk.errors import UserError
from nastk.genotype.stages import Stage, StageGenotype
from nastk.networks.stages import build_stages
from tests.blocks.stage import stage


def grouped(module: nn.Module) -> list[tuple[int, int, int]]:
    """Returns (channels in, channels out, groups) of the convolutions with groups."""
    layers = [layer for layer in module.modules() if isinstance(layer, nn.Conv2d) and layer.groups > 1]
    return [(layer.in_channels, layer.out_channels, layer.groups) for layer in layers]


def test_groups_keep_their_width_and_change_their_number() -> None:
    resnext = Stage("residual_bottleneck", 256, options=(("expansion", 2.0), ("group_width", 4)))
    genotype = StageGenotype((resnext,))
    for width, inner in ((1.0, 128), (0.5, 64), (0.3, 40)):
        network = build_stages(genotype, classes=2, channels=3, height=8, width=8, width_multiplier=width)
        assert grouped(network) == [(inner, inner, inner // 4)]


def test_fewer_channels_go_into_the_grouped_convolution_with_a_lead() -> None:
    module = stage("residual_bottleneck", 8, 64, expansion=1.0, lead=0.5, group_width=8)
    assert grouped(module) == [(32, 64, 8)]


def test_the_shortcuts_kernel_is_of_those_that_stride() -> None:
    for stride, kernel in ((1, 1), (2, 3)):
        shortcut = stage("residual_bottleneck", 8, 16, stride=stride, shortcut_kernel=3).get_submodule("shortcut.0")
        assert isinstance(shortcut, nn.Conv2d)
        assert shortcut.kernel_size == (kernel, kernel)


@pytest.mark.parametrize("block", ["residual_basic", "residual_bottleneck"])
def test_squeeze_and_excitation_weighs_the_branch_alone(block: str) -> None:
    module = stage(block, 32, 32, se=0.25).eval()
    image = torch.rand(2, 32, 6, 6)
    squeeze, excite = (layer for layer in module.modules() if isinstance(layer, nn.Conv2d) and layer.bias is not None)
    assert (squeeze.in_channels, squeeze.out_channels, excite.out_channels) == (32, 8, 32)
    assert not torch.equal(module(image), image)
    nn.init.zeros_(excite.weight)
    assert excite.bias is not None
    nn.init.constant_(excite.bias, -1000)  # a gate that is shut
    assert torch.equal(module(image), image)


@pytest.mark.parametrize("block", ["preact_basic", "preact_bottleneck"])
def test_pre_activation_leaves_the_way_past_the_branch_free(block: str) -> None:
    module = stage(block, 16, 16, depth=3)
    for part in module.children():
        last = list(part.get_submodule("branch").children())[-1]
        assert isinstance(last, nn.Conv2d)
        nn.init.zeros_(last.weight)
    image = torch.randn(2, 16, 5, 5)
    assert torch.equal(module(image), image)


@pytest.mark.parametrize("block", ["preact_basic", "preact_bottleneck"])
def test_pre_activation_projects_the_activated_input(block: str) -> None:
    module = stage(block, 4, 8, stride=2)
    shortcut = module.get_submodule("shortcut")
    seen: list[torch.Tensor] = []
    shortcut.register_forward_pre_hook(lambda layer, inputs: seen.append(inputs[0]))
    assert module(torch.randn(2, 4, 5, 5)).shape == (2, 8, 3, 3)
    assert bool((seen[0] >= 0).all())


@pytest.mark.parametrize(
    ("block", "options", "words"),
    [
        ("residual_bottleneck", {"groups": 32}, "unknown option of stage 'residual_bottleneck' .* 'group_width'"),
        ("residual_bottleneck", {"group_width": -1}, "group_width=-1, expected a whole number from 0"),
        ("residual_basic", {"se": 2}, "se=2, expected a number from 0 to 1"),
        ("preact_basic", {"act": "rellu"}, "unknown value of stage 'preact_basic': act 'rellu'; nearest is 'relu'"),
        ("conv", {"groups": 3}, "4 to 8 channels: not divisible by groups=3"),
        ("norm", {}, "stride=2, expected 1: blocks of this family do not stride"),
    ],
)
def test_what_cannot_be_is_told_in_one_line(block: str, options: dict[str, object], words: str) -> None:
    with pytest.raises(UserError, match=words):
        stage(block, 4, 8, stride=2, **options)
