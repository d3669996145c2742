"""Channels that say nothing are taken out of a network, and it computes what it did, for each family that is cut."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from nastk.genotype.narrowing import Group, narrower_sizes, narrowing_groups, resized
from nastk.genotype.stages import Stage, StageGenotype
from nastk.networks import NetworkConfig, build_network
from nastk.networks.channels import Channels, network_channels
from nastk.networks.sliced import cuts, kept_channels, lost, sliced
from nastk.networks.stages import StageNetwork
from nastk.training.importance import channel_scores

CONFIG = NetworkConfig(classes=5, channels=3, size=16)
SQUEEZED = (("se", 0.25), ("act", "hardswish"))
ROWS = {
    "conv": Stage("conv", 24, depth=2),
    "rep_conv": Stage("rep_conv", 24, depth=2),
    "mobileone": Stage("mobileone", 24, depth=2, options=(("branches", 2),)),
    "depthwise_separable": Stage("depthwise_separable", 24, depth=2, stride=2),
    "squeezed depthwise_separable": Stage("depthwise_separable", 24, depth=2, options=SQUEEZED),
    "residual_basic": Stage("residual_basic", 24, depth=2, stride=2, options=(("se", 0.25),)),
    "residual_bottleneck": Stage("residual_bottleneck", 32, depth=2),
    "inverted_residual": Stage("inverted_residual", 24, depth=3, stride=2),
    "squeezed inverted_residual": Stage("inverted_residual", 24, depth=2, options=SQUEEZED),
    "fused_inverted_residual": Stage("fused_inverted_residual", 24, depth=2, stride=2),
    "universal_inverted_bottleneck": Stage("universal_inverted_bottleneck", 24, depth=2, options=(("start", 3),)),
    "preact_basic": Stage("preact_basic", 24, depth=2),
}


def built(genotype: StageGenotype) -> StageNetwork:
    torch.manual_seed(0)
    network = build_network(genotype, CONFIG)
    assert isinstance(network, StageNetwork)
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d) and module.running_mean is not None:
                nn.init.uniform_(module.weight, 0.5, 1.5)
                nn.init.normal_(module.bias, std=0.3)
                nn.init.normal_(module.running_mean, std=0.1)
    return network.eval()


def narrower(genotype: StageGenotype, group: Group) -> StageGenotype:
    return resized(genotype, group, narrower_sizes(genotype, group)[0])


def shapes(network: nn.Module) -> dict[str, torch.Size]:
    return {name: tensor.shape for name, tensor in network.state_dict().items()}


def silence(network: nn.Module, channels: Channels, cut: dict[int, int]) -> None:
    """Makes some channels of each group that is cut contribute nothing, not the last ones."""
    with torch.no_grad():
        for group, count in cut.items():
            silent = torch.randperm(channels.sizes[group])[count:]
            paths = [*channels.norms.get(group, ()), *channels.makers.get(group, ())]
            for module in map(network.get_submodule, paths):
                for part in (module.weight, module.bias):
                    if isinstance(part, Tensor):
                        part[silent] = 0


@pytest.mark.parametrize("inside", [False, True])
@pytest.mark.parametrize("name", ROWS)
def test_a_network_without_its_silent_channels_computes_the_same(name: str, inside: bool) -> None:
    ends = (Stage("conv", 48, stride=2),), (Stage("conv", 40, options=(("kernel", 1),)),)
    genotype = StageGenotype((ROWS[name],), stem=ends[0], head=ends[1])
    wide = built(genotype)
    channels = network_channels(wide, 3)
    group = next((one for one in narrowing_groups(genotype) if one.inside == inside and 1 in one.places), None)
    if group is None:
        assert inside and name not in [stage for stage in ROWS if "inverted" in stage]
        return
    form = narrower(genotype, group)
    assert form.key != genotype.key
    narrow = built(form)
    cut = cuts(shapes(wide), shapes(narrow), channels)
    assert cut
    silence(wide, channels, cut)
    images, labels = torch.randn(8, 3, 16, 16), torch.arange(8) % 5
    scores = channel_scores(wide, channels, [(images, labels)])
    assert lost(cut, scores) == 0 < min(float(scores[group].sum()) for group in cut)
    narrow.load_state_dict(sliced(wide.state_dict(), channels, kept_channels(cut, scores)))
    with torch.no_grad():
        torch.testing.assert_close(narrow(images), wide(images), atol=1e-5, rtol=1e-5)


def test_channels_of_a_pooled_map_are_taken_out_of_the_linear_layer_place_by_place() -> None:
    classifier = Stage("pooled_classifier", options=(("pool", 2), ("hidden", (24,))))
    genotype = StageGenotype((Stage("conv", 24, stride=2),), classifier=classifier)
    wide = built(genotype)
    form = narrower(genotype, narrowing_groups(genotype)[0])
    narrow, channels = built(form), network_channels(wide, 3)
    cut = cuts(shapes(wide), shapes(narrow), channels)
    assert cut and list(cut.values()) == [16]
    silence(wide, channels, cut)
    images, labels = torch.randn(4, 3, 16, 16), torch.arange(4)
    kept = kept_channels(cut, channel_scores(wide, channels, [(images, labels)]))
    narrow.load_state_dict(sliced(wide.state_dict(), channels, kept))
    torch.testing.assert_close(narrow(images), wide(images), atol=1e-5, rtol=1e-5)


def test_a_width_that_another_stage_has_would_make_a_shortcut_that_there_was_none_of() -> None:
    genotype = StageGenotype((Stage("residual_basic", 24), Stage("residual_basic", 32)))
    group = narrowing_groups(genotype)[1]
    form = narrower(genotype, group)
    assert form.body[1].width == 24
    channels = network_channels(built(genotype), 3)
    assert cuts(shapes(built(genotype)), shapes(built(form)), channels) is None
    further = narrower(form, group)
    assert cuts(shapes(built(genotype)), shapes(built(further)), channels)


@pytest.mark.parametrize("stage", [Stage("shuffle_v2", 32), Stage("fire", 32), Stage("dense", 32)])
def test_what_is_not_known_to_be_the_same_channels_is_not_cut(stage: Stage) -> None:
    genotype = StageGenotype((Stage("conv", 32), stage))
    channels = network_channels(built(genotype), 3)
    for group in narrowing_groups(genotype):
        form = narrower(genotype, group)
        assert cuts(shapes(built(genotype)), shapes(built(form)), channels) is None
