"""The canonical key: what it does not see, what it sees, and that networks of one key compute one function."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from itertools import combinations, permutations
from pathlib import Path
from random import Random

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nastk.blocks.cell import CellModule
from nastk.genotype import Cell, CellGenotype, Edge, Node
from nastk.genotype.key import (
    IDENTITY_OPS,
    PARAMETERLESS_OPS,
    REDUCTION,
    ZERO_OPS,
    CanonicalCell,
    Piece,
    canonical_cell,
    genotype_key,
)
from nastk.ops import OPS, build_op
from nastk.ops.identity import FactorizedReduction
from nastk.spaces import NasBench201Space, NasnetSpace, random_genotype
from tests.genotype.cell_spelling import random_cell, respelled

FILTERS = 4
SPELLED_OPS = ("identity", "zero", "conv_1x1", "sep_conv_3x3", "max_pool_3x3", "avg_pool_3x3", "squeeze_excitation")
Modules = dict[tuple[int, int], torch.nn.Module]


class Permuted(torch.nn.Module):
    """A module with its input channels numbered otherwise, which is a module with its weights numbered otherwise."""

    def __init__(self, module: torch.nn.Module, channels: list[int]) -> None:
        super().__init__()
        self.module = module
        self.channels = channels

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.module(x[:, self.channels])


def random_modules(cell: Cell, reduction: bool) -> Modules:
    """Returns an op with random weights for every edge, and a factorized reduction for every input in the output."""
    widths = [1] * cell.inputs
    modules: Modules = {}
    for index, node in enumerate(cell.nodes):
        for position, (state, op) in enumerate(node.edges):
            stride = 2 if reduction and state < cell.inputs else 1
            modules[index, position] = build_op(op, widths[state] * FILTERS, FILTERS, stride)
        widths.append(len(node.edges) if node.combine == "concat" else 1)
    for state in cell.output:
        if reduction and state < cell.inputs:
            modules[-1, state] = FactorizedReduction(FILTERS, FILTERS)
    for module in modules.values():
        module.double().eval()
        for part in module.modules():
            if isinstance(part, torch.nn.BatchNorm2d):
                torch.nn.init.uniform_(part.weight, 0.5, 2)
                torch.nn.init.uniform_(part.bias, -1, 1)
                torch.nn.init.uniform_(part.running_mean, -1, 1)
                torch.nn.init.uniform_(part.running_var, 0.5, 2)
    return modules


def run(cell: Cell, reduction: bool, modules: Modules, images: list[torch.Tensor]) -> torch.Tensor:
    """Computes a cell edge by edge; a state that nothing but zeros goes into is known to be zero."""
    states = list(images)
    zero = [False] * cell.inputs
    size = -(-images[0].shape[-1] // (2 if reduction else 1))
    nothing = torch.zeros(len(images[0]), FILTERS, size, size, dtype=torch.float64)
    for index, node in enumerate(cell.nodes):
        results = [
            nothing if op == "zero" or zero[state] else modules[index, position](states[state])
            for position, (state, op) in enumerate(node.edges)
        ]
        zero.append(all(op == "zero" or zero[state] for state, op in node.edges))
        states.append(torch.cat(results, 1) if node.combine == "concat" else torch.stack(results).sum(0))
    return torch.cat(
        [
            modules[-1, state](states[state]) if reduction and state < cell.inputs else states[state]
            for state in cell.output
        ],
        1,
    )


def places(pieces: tuple[Piece, ...], others: tuple[Piece, ...]) -> list[int]:
    """Returns, channel by channel of `pieces`, where `others` has the same."""
    left = list(range(len(others)))
    channels: list[int] = []
    for piece in pieces:
        found = next(place for place in left if others[place] == piece)
        left.remove(found)
        channels += range(found * FILTERS, (found + 1) * FILTERS)
    assert not left
    return channels


def mapped(modules: Modules, one: CanonicalCell, other: CanonicalCell, cell: Cell, reduction: bool) -> Modules:
    """Returns modules for the other cell that have the weights of the first one's, renamed."""
    result = random_modules(cell, reduction)
    for first, second in zip(one.instances, other.instances, strict=True):
        module = modules[first.node, first.edge]
        result[second.node, second.edge] = Permuted(module, places(first.source, second.source))
    return result


@pytest.mark.parametrize("kind", ["normal", "reduction"])
@given(rng=st.randoms(use_true_random=False), seed=st.integers(0, 2**31))
@settings(max_examples=100, deadline=None)
def test_respelled_cell_has_the_same_text_and_computes_the_same_with_mapped_weights(
    kind: str, rng: Random, seed: int
) -> None:
    torch.manual_seed(seed)
    reduction = kind == "reduction"
    cell = random_cell(rng, 2, rng.randint(1, 5), SPELLED_OPS)
    spelled = respelled(cell, reduction, rng)
    one, other = canonical_cell(cell, 1 + reduction), canonical_cell(spelled, 1 + reduction)
    assert one.text == other.text
    images = [torch.randn(2, FILTERS, 7, 7, dtype=torch.float64) for _ in range(2)]
    modules = random_modules(cell, reduction)
    with torch.no_grad():
        expected = run(cell, reduction, modules, images)
        found = run(spelled, reduction, mapped(modules, one, other, spelled, reduction), images)
    torch.testing.assert_close(found[:, places(one.output, other.output)], expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("reduction", [False, True])
def test_networks_compute_cells_as_these_tests_do(reduction: bool) -> None:
    rng = Random(1)
    torch.manual_seed(1)
    for _ in range(30):
        cell = random_cell(rng, 2, rng.randint(1, 5), [op for op in SPELLED_OPS if op != "zero"])
        modules = random_modules(cell, reduction)
        inputs = (torch.nn.Identity(), torch.nn.Identity())
        module = CellModule(cell, inputs, (FILTERS, FILTERS), FILTERS, 2 if reduction else 1).double().eval()
        edges = [(index, edge) for index, node in enumerate(cell.nodes) for edge in range(len(node.edges))]
        for own, edge in zip(module.edges, edges, strict=True):
            own.load_state_dict(modules[edge].state_dict())
        for name, own in module.outputs.items():
            own.load_state_dict(modules[-1, int(name)].state_dict())
        images = [torch.randn(2, FILTERS, 7, 7, dtype=torch.float64) for _ in range(2)]
        with torch.no_grad():
            torch.testing.assert_close(module(*images), run(cell, reduction, modules, images))


def test_cells_with_different_texts_compute_different_functions_however_the_weights_are_mapped() -> None:
    """Pairs of NAS-Bench-201 cells with the same live ops, under all numberings of their weights.

    No pooling: it is linear, so that the average of a sum, which is another instance, can be the sum of averages.
    """
    torch.manual_seed(0)
    rng = Random(0)
    image = torch.randn(1, FILTERS, 5, 5, dtype=torch.float64)
    space = NasBench201Space(ops=("zero", "identity", "conv_1x1", "conv_3x3"))
    cells: dict[tuple[str, ...], dict[str, Cell]] = {}
    for _ in range(600):
        cell = random_genotype(space, rng)["normal"]
        found = canonical_cell(cell)
        if 1 <= len(found.instances) <= 4:
            cells.setdefault(tuple(sorted(one.op for one in found.instances)), {})[found.text] = cell
    pairs = [pair for alike in cells.values() for pair in combinations(alike.values(), 2)]
    checked = 0
    for first, second in rng.sample(pairs, 60):
        modules, others = random_modules(first, False), random_modules(second, False)
        expected = run(first, False, modules, [image])
        one, other = canonical_cell(first), canonical_cell(second)
        for instances in permutations(other.instances):
            if [instance.op for instance in instances] == [instance.op for instance in one.instances]:
                for source, target in zip(one.instances, instances, strict=True):
                    others[target.node, target.edge] = modules[source.node, source.edge]
                assert (run(second, False, others, [image]) - expected).abs().max() > 1e-6
                checked += 1
    assert checked >= 120


def normal(*nodes: Node, output: tuple[int, ...]) -> Cell:
    return Cell(2, nodes, output)


def conv(state: int) -> Edge:
    return Edge(state, "conv_3x3")


def same(state: int) -> Edge:
    return Edge(state, "identity")


DIFFERENT = {
    "a state read twice and two equal states": (
        normal(Node((conv(0),)), Node((conv(2), conv(2))), output=(3,)),
        normal(Node((conv(0),)), Node((conv(0),)), Node((conv(2), conv(3))), output=(4,)),
    ),
    "a state added to itself and the state": (
        normal(Node((conv(0),)), Node((same(2), same(2))), output=(3,)),
        normal(Node((conv(0),)), output=(2,)),
    ),
    "the two inputs": (normal(Node((conv(0),)), output=(2,)), normal(Node((conv(1),)), output=(2,))),
    "a sum and a concatenation": (
        normal(Node((conv(0), conv(1))), output=(2,)),
        normal(Node((conv(0), conv(1)), "concat"), output=(2,)),
    ),
    "a concatenation with a zero piece and one without": (
        normal(Node((conv(0), conv(1), Edge(0, "zero")), "concat"), output=(2,)),
        normal(Node((conv(0), conv(1)), "concat"), output=(2,)),
    ),
    "an op before a sum and after it": (
        normal(Node((conv(0), conv(1))), output=(2,)),
        normal(Node((same(0), same(1))), Node((conv(2),)), output=(3,)),
    ),
    "an identity of a concatenation and the concatenation": (
        normal(Node((conv(0), conv(1)), "concat"), Node((same(2),)), output=(3,)),
        normal(Node((conv(0), conv(1)), "concat"), output=(2,)),
    ),
}


@pytest.mark.parametrize("name", DIFFERENT)
def test_key_tells_apart(name: str) -> None:
    one, other = DIFFERENT[name]
    assert canonical_cell(one).text != canonical_cell(other).text


def test_key_tells_normal_and_reduction_cell_apart_and_each_skeleton() -> None:
    one = normal(Node((conv(0), conv(1))), output=(2,))
    other = normal(Node((conv(0), conv(0))), output=(2,))
    keys = [
        CellGenotype(skeleton, (("normal", first), ("reduction", second))).key
        for skeleton in ("nasnet", "darts")
        for first, second in ((one, other), (other, one), (one, one))
    ]
    assert len(set(keys)) == len(keys)


def test_identity_that_halves_the_resolution_is_a_convolution_and_skip_connect_is_not() -> None:
    texts = {
        op: canonical_cell(normal(Node((Edge(0, op),)), output=(2,)), 2).text
        for op in ("identity", "conv_1x1", "skip_connect", "conv_3x3")
    }
    assert texts["identity"] == texts["conv_1x1"]
    assert len(set(texts.values())) == 3


def test_input_in_the_output_of_a_reduction_cell_is_an_instance_with_weights() -> None:
    cell = normal(Node((conv(1),)), output=(0, 2))
    assert [one.op for one in canonical_cell(cell).instances] == ["conv_3x3"]
    found = {(one.op, one.node, one.edge) for one in canonical_cell(cell, 2).instances}
    assert found == {("conv_3x3", 0, 0), (REDUCTION, -1, 0)}


def test_instances_leave_out_what_does_not_reach_the_output() -> None:
    cell = normal(Node((conv(0),)), Node((conv(1), Edge(0, "zero"))), Node((conv(2),)), output=(3,))
    assert [(one.node, one.edge, one.source) for one in canonical_cell(cell).instances] == [(1, 0, (((1, 1),),))]


def test_key_is_32_hexadecimal_digits_whatever_python_hashes_strings_to() -> None:
    genotype = random_genotype(NasnetSpace(), Random(0))
    code = "import sys; from nastk.genotype import Genotype; print(Genotype.from_json(sys.stdin.read()).key)"
    keys = {
        subprocess.run(
            [sys.executable, "-c", code],
            input=genotype.to_json(),
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(Path(__file__).parents[2])},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for seed in ("1", "2")
    }
    assert keys == {genotype.key} == {genotype_key(genotype)}
    assert re.fullmatch("[0-9a-f]{32}", genotype.key)


def test_op_names_without_weights_agree_with_the_table_of_operations() -> None:
    assert {name for name in OPS if not list(build_op(name, 8, 8, 1).parameters())} == PARAMETERLESS_OPS | IDENTITY_OPS
    x = torch.randn(1, 8, 6, 6)
    assert {name for name in OPS if torch.equal(build_op(name, 8, 8, 1)(x), x)} == IDENTITY_OPS
    assert {name for name in OPS if not build_op(name, 8, 8, 1)(x).any()} == ZERO_OPS
