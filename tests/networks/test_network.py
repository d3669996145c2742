"""Networks of random genotypes of every space: what goes in, what comes out, what training needs of them."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch
from torch import Tensor, fx, nn

from nastk.errors import UserError
from nastk.genotype import Cell, CellGenotype, Edge, Node
from nastk.networks import Network, NetworkConfig, build_network
from nastk.networks.stems import fitted_stem, left, smaller_inputs
from tests.networks.named import SPACES, drawn, named

SMALL = NetworkConfig(cells=1, filters=8, channels=1, size=8)
WITH_STEM = [
    ("nasnet", "cifar"),
    ("nasnet", "imagenet"),
    ("darts", "cifar"),
    ("darts", "imagenet"),
    ("nasbench201", "cifar"),
    ("nasnet", "stride2"),
    ("darts", "stride4"),
    ("nasbench201", "stride8"),
]

every_skeleton = pytest.mark.parametrize("skeleton", sorted(SPACES))
every_stem = pytest.mark.parametrize(("skeleton", "stem"), WITH_STEM)


def images(config: NetworkConfig, count: int = 3) -> Tensor:
    generator = torch.Generator().manual_seed(5)
    return torch.randn(count, config.channels, config.size, config.size, generator=generator)


def network_of(skeleton: str, config: NetworkConfig, seed: int = 0) -> Network:
    torch.manual_seed(seed)
    return build_network(drawn(skeleton, seed), config)


@every_stem
@pytest.mark.parametrize("size", [8, 9, 28, 33])
def test_gives_logits_and_in_training_auxiliary_logits(skeleton: str, stem: str, size: int) -> None:
    config = replace(SMALL, stem=stem, size=size, classes=7, channels=2, cells=2, auxiliary=True, drop_path=0.2)
    for seed in range(3):
        network = network_of(skeleton, config, seed)
        logits, auxiliary = network(images(config))
        assert logits.shape == auxiliary.shape == (3, 7)
        assert network.eval()(images(config)).shape == (3, 7)


@every_skeleton
def test_without_auxiliary_head_training_gives_logits_alone(skeleton: str) -> None:
    assert network_of(skeleton, SMALL).train()(images(SMALL)).shape == (3, 10)


@every_skeleton
def test_gradients_reach_every_parameter_that_the_output_depends_on(skeleton: str) -> None:
    config = replace(SMALL, auxiliary=True, size=16)
    network = network_of(skeleton, config, 3)
    logits, auxiliary = network(images(config, 16))
    (nn.functional.cross_entropy(logits, torch.arange(16) % 10) + auxiliary.square().mean()).backward()
    missing = [name for name, parameter in network.named_parameters() if parameter.grad is None]
    # NAS-Bench-201's published cells carry the weights of branches that lead nowhere; no others do.
    assert skeleton == "nasbench201" or not missing


@every_stem
def test_traces_in_eval_mode_with_auxiliary_head_and_drop_path(skeleton: str, stem: str) -> None:
    config = replace(SMALL, stem=stem, size=16, auxiliary=True, drop_path=0.3)
    network = network_of(skeleton, config).eval()
    traced = fx.symbolic_trace(network)
    for count in (1, 3):
        assert torch.equal(traced(images(config, count)), network(images(config, count)))
    assert not any(str(node.target).startswith("auxiliary") for node in traced.graph.nodes)


@every_skeleton
def test_channels_last_and_float64_agree(skeleton: str) -> None:
    network = network_of(skeleton, SMALL).eval()
    x = images(SMALL)
    expected = network(x)
    last = copy.deepcopy(network).to(memory_format=torch.channels_last)
    torch.testing.assert_close(last(x.to(memory_format=torch.channels_last)), expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(network.double()(x.double()).float(), expected, rtol=1e-4, atol=1e-5)


@every_skeleton
def test_weights_have_the_same_names_whatever_drop_path_is(skeleton: str) -> None:
    with_drop_path = network_of(skeleton, replace(SMALL, drop_path=0.3))
    without = network_of(skeleton, SMALL, 0)
    without.load_state_dict(with_drop_path.state_dict())
    assert torch.equal(without.eval()(images(SMALL)), with_drop_path.eval()(images(SMALL)))


@every_skeleton
def test_a_seed_gives_the_same_weights_again(skeleton: str) -> None:
    first, second = network_of(skeleton, SMALL, 4), network_of(skeleton, SMALL, 4)
    for (name, one), (_, two) in zip(first.state_dict().items(), second.state_dict().items(), strict=True):
        assert torch.equal(one, two), name


@every_skeleton
def test_filters_double_and_resolution_halves_at_two_reductions(skeleton: str) -> None:
    config = replace(SMALL, size=16, cells=2)
    network = network_of(skeleton, config).eval()
    seen: list[tuple[int, int]] = []
    for stage in network.stages:
        stage.register_forward_hook(lambda *arguments: seen.append(arguments[2].shape[1:3]))
    network(images(config))
    assert [size for _, size in seen] == [16, 16, 8, 8, 8, 4, 4, 4]
    wide = [channels for channels, _ in seen]
    assert (wide[4], wide[7]) == (2 * wide[1], 4 * wide[1])


@pytest.mark.parametrize(("skeleton", "expected"), [("nasnet", [8, 4, 4, 2, 2, 1, 1]), ("darts", [8, 4, 4, 2, 2])])
def test_the_imagenet_stem_takes_the_resolution_down_by_8(skeleton: str, expected: list[int]) -> None:
    config = replace(SMALL, stem="imagenet", size=64 if skeleton == "darts" else 32)
    network = network_of(skeleton, config).eval()
    seen: list[int] = []
    for stage in network.stages:
        stage.register_forward_hook(lambda *arguments: seen.append(arguments[2].shape[-1]))
    network(images(config))
    assert seen == expected


@every_skeleton
@pytest.mark.parametrize(
    ("stem", "convolutions", "expected"), [("stride2", 1, 25), ("stride4", 2, 13), ("stride8", 3, 7)]
)
def test_a_stem_with_a_stride_takes_the_resolution_down_before_the_first_cell(
    skeleton: str, stem: str, convolutions: int, expected: int
) -> None:
    config = replace(SMALL, stem=stem, size=50, channels=3)
    network = network_of(skeleton, config).eval()
    previous, latest = network.stem(images(config))
    plain = network_of(skeleton, replace(config, stem="cifar"))
    assert previous.shape[-1] == latest.shape[-1] == expected
    assert previous.shape[1] == plain.stem(images(config))[0].shape[1]
    assert sum(isinstance(part, nn.Conv2d) for part in network.stem.modules()) == convolutions


@every_skeleton
@pytest.mark.parametrize(("first", "expected"), [(0, [8, 8, 8, 4, 4, 4]), (1, [16, 8, 8, 8, 4, 4, 4])])
def test_another_number_of_cells_may_come_before_the_first_reduction(
    skeleton: str, first: int, expected: list[int]
) -> None:
    config = replace(SMALL, size=16, cells=2, first_cells=first)
    network = network_of(skeleton, config).eval()
    seen: list[int] = []
    for stage in network.stages:
        stage.register_forward_hook(lambda *arguments: seen.append(arguments[2].shape[-1]))
    assert network(images(config)).shape == (len(images(config)), config.classes)
    assert seen == expected
    usual = network_of(skeleton, replace(config, first_cells=2)).state_dict()
    assert usual.keys() == network_of(skeleton, replace(config, first_cells=None)).state_dict().keys()


@pytest.mark.parametrize(
    ("size", "stem"), [(8, "cifar"), (40, "cifar"), (41, "stride2"), (64, "stride2"), (96, "stride4"), (224, "stride8")]
)
def test_the_stem_follows_the_size_of_the_images(size: int, stem: str) -> None:
    assert fitted_stem(size) == stem


def test_smaller_inputs_leave_the_cells_ever_less_and_small_images_as_they_are() -> None:
    assert smaller_inputs(32, None, resizable=True) == [(32, "cifar")]
    choices = smaller_inputs(224, None, resizable=True)
    assert choices[0] == (224, "stride8")
    leave = [left(*choice) for choice in choices]
    assert leave == sorted(set(leave), reverse=True)
    assert 8 <= leave[-1] <= 12
    assert {stem for _, stem in smaller_inputs(224, "stride4", resizable=True)} == {"stride4"}
    assert {size for size, _ in smaller_inputs(100, None, resizable=False)} == {100}


def test_the_auxiliary_head_reads_the_last_cell_before_the_second_reduction() -> None:
    config = replace(SMALL, size=32, cells=3, auxiliary=True)
    network = network_of("nasnet", config)
    assert network.auxiliary_after == 6
    seen: list[Tensor] = []
    network.stages[6].register_forward_hook(lambda *arguments: seen.append(arguments[2]))
    _, auxiliary = network(images(config))
    assert network.auxiliary is not None
    torch.testing.assert_close(network.auxiliary(seen[0]), auxiliary)


@pytest.mark.parametrize(("size", "kernel", "left"), [(32, 5, 4), (16, 5, 2), (8, 4, 1), (4, 2, 1), (2, 1, 1)])
def test_the_auxiliary_head_pools_5x5_or_the_whole_of_a_smaller_map(size: int, kernel: int, left: int) -> None:
    network = network_of("darts", replace(SMALL, size=size, auxiliary=True))
    pools = [part for part in network.auxiliary.modules() if isinstance(part, nn.AvgPool2d)]
    full = [part for part in network.auxiliary.modules() if isinstance(part, nn.Conv2d)][1]
    # The map before the second reduction has half the pixels a side of the image.
    assert (pools[0].kernel_size[0], full.kernel_size, full.out_channels) == (kernel, (left, left), 768)


def test_the_first_nasnet_cell_of_the_imagenet_stem_reads_the_stem_as_it_is() -> None:
    genotype, config = named("nasnet_a_mobile")
    network = build_network(genotype, replace(config, filters=8, cells=1))
    assert isinstance(network.stages[0].inputs[0], nn.Identity)
    assert network.stages[0].edges[1][1].in_channels == config.stem_filters


def test_an_unknown_operation_is_a_users_mistake() -> None:
    cell = Cell(2, (Node((Edge(0, "sep_conv_9x9"),)),), (2,))
    with pytest.raises(UserError, match="unknown op 'sep_conv_9x9'; nearest is 'sep_conv_3x3'"):
        build_network(CellGenotype("nasnet", (("normal", cell), ("reduction", cell))), SMALL)


def test_cells_that_concatenate_or_pass_inputs_on_can_be_stacked_deep() -> None:
    normal = Cell(2, (Node((Edge(0, "identity"), Edge(1, "identity")), "concat"),), (0, 1, 2))
    config = replace(SMALL, cells=3, filters=4)
    network = build_network(CellGenotype("nasnet", (("normal", normal), ("reduction", normal))), config)
    assert network(images(config)).shape == (3, 10)


def test_a_narrower_auxiliary_head_does_not_grow_with_the_image() -> None:
    config = replace(SMALL, size=64, auxiliary=True, auxiliary_width=48)
    heads = [network_of("nasnet", replace(config, size=size)).auxiliary for size in (64, 128)]
    sizes = [sum(weight.numel() for weight in head.parameters()) for head in heads if head is not None]
    assert sizes[0] == sizes[1] < 12_000
    logits, auxiliary = network_of("nasnet", config)(images(config))
    assert logits.shape == auxiliary.shape == (3, 10)
