"""A cell computes what its genotype says: sums, concatenations, strides, zero branches."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor, nn

from nastk.blocks.cell import CellModule
from nastk.genotype import Cell, Edge, Node
from nastk.ops.identity import FactorizedReduction, Zero

FILTERS = 4
POOL = nn.AvgPool2d(3, 1, 1, count_include_pad=False)


def cell(nodes: Sequence[tuple[str, Sequence[tuple[int, str]]]], output: Sequence[int], inputs: int = 2) -> Cell:
    made = tuple(Node(tuple(Edge(*edge) for edge in edges), combine) for combine, edges in nodes)
    return Cell(inputs, made, tuple(output))


def module(made: Cell, channels: Sequence[int] | None = None, stride: int = 1, drop_path: float = 0.0) -> CellModule:
    torch.manual_seed(0)
    channels = channels or [FILTERS] * made.inputs
    return CellModule(made, [nn.Identity() for _ in channels], channels, FILTERS, stride, drop_path)


def states(count: int = 2, size: int = 6, channels: int = FILTERS) -> tuple[Tensor, ...]:
    generator = torch.Generator().manual_seed(1)
    return tuple(torch.randn(2, channels, size, size, generator=generator) for _ in range(count))


def test_state_0_is_the_older_input_and_the_output_concatenates_in_the_order_given() -> None:
    made = module(cell([("add", [(0, "identity"), (1, "avg_pool_3x3")])], [2, 1, 0]))
    older, latest = states()
    torch.testing.assert_close(made(older, latest), torch.cat([older + POOL(latest), latest, older], 1))
    assert made.channels_out == 3 * FILTERS


def test_a_cell_of_one_input_reads_the_latest() -> None:
    made = module(cell([("add", [(0, "identity")])], [1], inputs=1))
    older, latest = states()
    assert torch.equal(made(older, latest), latest)


def test_nodes_read_nodes_and_sums_may_have_any_number_of_edges() -> None:
    three = [(0, "identity"), (1, "identity"), (2, "avg_pool_3x3")]
    made = module(cell([("add", [(0, "identity"), (1, "identity")]), ("add", three)], [3]))
    older, latest = states()
    torch.testing.assert_close(made(older, latest), older + latest + POOL(older + latest))


def test_a_state_that_two_edges_read_is_computed_once() -> None:
    nodes = [("add", [(0, "sep_conv_3x3")]), ("add", [(2, "identity"), (2, "identity")])]
    made = module(cell(nodes, [3])).eval()
    once = module(cell(nodes[:1], [2])).eval()
    calls = []
    made.edges[0][-1].register_forward_hook(lambda *_: calls.append(1))
    torch.testing.assert_close(made(*states()), 2 * once(*states()))
    assert len(calls) == 1


def test_edges_that_begin_with_the_relu_of_one_state_share_it() -> None:
    edges = [(1, "sep_conv_3x3"), (1, "conv_1x1"), (1, "identity"), (0, "conv_3x3")]
    made = module(cell([("add", edges)], [2]))
    calls = []
    for edge in made.edges:
        for layer in edge.modules():
            if isinstance(layer, nn.ReLU):
                layer.register_forward_hook(lambda *_: calls.append(1))
    older, latest = states()
    expected = sum(edge(states()[state]) for edge, (state, _) in zip(made.edges, edges, strict=True))
    assert len(calls) == 4
    calls.clear()
    torch.testing.assert_close(made(older, latest), expected)
    assert len(calls) == 3  # of state 1, of state 0, and within the separable convolution


def test_the_gradients_of_a_concatenation_come_in_one_piece() -> None:
    made = module(cell([("add", [(0, "conv_1x1")]), ("add", [(1, "conv_1x1")])], [2, 3]))
    layouts = []

    def look(layer: nn.Module, gradients: tuple[Tensor, ...]) -> None:
        layouts.append(gradients[0].is_contiguous(memory_format=torch.channels_last))

    for edge in made.edges:
        edge[-1].register_full_backward_pre_hook(look)
    made.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    older, latest = (state.contiguous(memory_format=torch.channels_last) for state in states())
    made(older, latest).pow(2).sum().backward()
    assert layouts == [True, True]


def test_concatenation_has_twice_the_filters_and_its_readers_map_back() -> None:
    nodes = [("concat", [(0, "identity"), (1, "identity")]), ("add", [(2, "conv_1x1"), (2, "identity")])]
    made = module(cell(nodes, [2, 3])).eval()
    older, latest = states()
    result = made(older, latest)
    assert torch.equal(result[:, : 2 * FILTERS], torch.cat([older, latest], 1))
    assert result.shape[1] == made.channels_out == 3 * FILTERS


def test_only_edges_from_the_inputs_of_a_reduction_cell_have_stride_2() -> None:
    nodes = [("add", [(0, "max_pool_3x3"), (1, "max_pool_3x3")]), ("add", [(2, "max_pool_3x3"), (1, "avg_pool_3x3")])]
    made = module(cell(nodes, [2, 3]), stride=2)
    older, latest = states(size=7)
    first = nn.MaxPool2d(3, 2, 1)(older) + nn.MaxPool2d(3, 2, 1)(latest)
    second = nn.MaxPool2d(3, 1, 1)(first) + nn.AvgPool2d(3, 2, 1, count_include_pad=False)(latest)
    torch.testing.assert_close(made(older, latest), torch.cat([first, second], 1))


def test_an_input_in_the_output_of_a_reduction_cell_goes_through_a_factorized_reduction() -> None:
    made = module(cell([("add", [(1, "max_pool_3x3")])], [0, 2]), channels=[6, FILTERS], stride=2).eval()
    older, latest = states(1, 7, 6)[0], states(1, 7)[0]
    (reduction,) = [part for part in made.modules() if isinstance(part, FactorizedReduction)]
    result = made(older, latest)
    assert torch.equal(result[:, :FILTERS], reduction(older))
    assert result.shape == (2, 2 * FILTERS, 4, 4)


@pytest.mark.parametrize("stride", [1, 2])
def test_zero_edges_and_what_reads_only_zero_are_left_out_of_sums(stride: int) -> None:
    nodes = [
        ("add", [(0, "zero"), (1, "zero")]),
        ("add", [(2, "conv_3x3"), (0, "max_pool_3x3"), (1, "zero")]),
    ]
    made = module(cell(nodes, [3]), stride=stride).train()
    older, latest = states()
    torch.testing.assert_close(made(older, latest), nn.MaxPool2d(3, stride, 1)(older))
    assert sum(weight.numel() for weight in made.parameters()) == 9 * FILTERS**2 + 2 * FILTERS


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("inputs", [1, 2])
def test_a_cell_that_computes_nothing_gives_zeros_of_the_right_shape(inputs: int, stride: int) -> None:
    nodes = [("add", [(0, "zero")]), ("add", [(inputs, "conv_3x3"), (0, "zero")])]
    made = module(cell(nodes, [inputs + 1], inputs), stride=stride)
    side = 6 // stride
    assert torch.equal(made(*states()), torch.zeros(2, FILTERS, side, side))


def test_a_zero_piece_of_a_concatenation_stays_in_its_place() -> None:
    nodes = [("add", [(0, "zero")]), ("concat", [(2, "conv_3x3"), (1, "identity"), (0, "zero")])]
    made = module(cell(nodes, [3])).train()
    older, latest = states()
    zeros = torch.zeros_like(latest)
    assert torch.equal(made(older, latest), torch.cat([zeros, latest, zeros], 1))
    assert made.channels_out == 3 * FILTERS


def test_dead_nodes_are_built_but_not_run() -> None:
    nodes = [("add", [(0, "conv_3x3")]), ("add", [(1, "identity")])]
    made = module(cell(nodes, [3]))
    made.edges[0][-1].register_forward_hook(lambda *_: pytest.fail("a dead edge was run"))
    older, latest = states()
    assert torch.equal(made(older, latest), latest)
    assert not any(isinstance(part, Zero) for part in made.modules())
    assert list(made.parameters())


def test_drop_path_takes_operations_but_no_identities() -> None:
    nodes = [("add", [(0, "identity"), (1, "skip_connect")]), ("add", [(0, "avg_pool_3x3")])]
    made = module(cell(nodes, [2, 3]), drop_path=0.5).train()
    torch.manual_seed(0)
    older, latest = (state[:1].expand(400, -1, -1, -1) for state in states())
    result = made(older, latest)
    assert torch.equal(result[:, :FILTERS], older + latest)
    pooled = result[:, FILTERS:]
    dropped = (pooled == 0).all(dim=(1, 2, 3))
    torch.testing.assert_close(pooled[~dropped], 2 * POOL(older)[~dropped])
    assert 0.4 < dropped.float().mean() < 0.6
