"""The key against brute force: equal for cells of one function, different for others."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from functools import cache
from itertools import product
from random import Random

import pytest

from nastk.genotype import Cell, Genotype
from nastk.genotype import key as canonical
from nastk.genotype.key import canonical_cell
from nastk.spaces import NASBENCH201_OPS, NasBench201Space, replay, to_arch_string
from tests.genotype.cell_functions import signature
from tests.genotype.cell_spelling import random_cell, respelled


@cache
def nasbench201() -> tuple[Genotype, ...]:
    space = NasBench201Space()
    names: list[str] = []
    space.genotype(lambda name, options: (names.append(name), options[0])[1])
    return tuple(
        replay(space, dict(zip(names, ops, strict=True))) for ops in product(NASBENCH201_OPS, repeat=len(names))
    )


def grouping(labels: Sequence[Hashable]) -> list[int]:
    """Returns for each label the place where it first occurs: equal lists mean equal groups."""
    first: dict[Hashable, int] = {}
    return [first.setdefault(label, place) for place, label in enumerate(labels)]


def published_string(genotype: Genotype) -> str:
    """NATS-Bench's rule: a node is its sorted terms, zero is "#", a skip is its source, an op "(source)@op"."""
    states = ["0"]
    for part in to_arch_string(genotype).split("+"):
        terms = []
        for edge in part.strip("|").split("|"):
            op, state = edge.split("~")
            source = states[int(state)]
            if op == "none" or source == "#":
                terms.append("#")
            else:
                terms.append(source if op == "skip_connect" else f"({source})@{op}")
        states.append("+".join(sorted(terms)))
    return states[-1]


def unfolded(cell: Cell) -> str:
    """The rule that unfolds a cell to a tree: flat sums without zeros, but a state read twice is two equal states."""
    states: list[tuple[str, ...]] = [("in",)]
    for node in cell.nodes:
        terms: list[str] = []
        for state, op in node.edges:
            if op == "identity":
                terms += states[state]
            elif op != "zero" and states[state]:
                terms.append(f"{op}({'+'.join(states[state])})")
        states.append(tuple(sorted(terms)))
    return "+".join(states[-1])


def test_there_are_15625_cells_of_nasbench201() -> None:
    assert len(set(nasbench201())) == 15_625


def test_nasbench201_has_5425_keys() -> None:
    assert len({genotype.key for genotype in nasbench201()}) == 5_425


def test_nasbench201_has_5260_cells_when_equal_parameterless_ops_are_merged() -> None:
    texts = {canonical_cell(genotype["normal"], merge_parameterless=True).text for genotype in nasbench201()}
    assert len(texts) == 5_260


def test_decoder_gives_the_6466_strings_that_nats_bench_published() -> None:
    assert len({published_string(genotype) for genotype in nasbench201()}) == 6_466


def test_keys_of_nasbench201_group_its_cells_as_their_functions_do() -> None:
    keys = grouping([genotype.key for genotype in nasbench201()])
    functions = grouping([signature(genotype["normal"]) for genotype in nasbench201()])
    assert keys == functions
    assert grouping([published_string(genotype) for genotype in nasbench201()]) != functions
    assert grouping([unfolded(genotype["normal"]) for genotype in nasbench201()]) != functions


@pytest.mark.slow
def test_merged_keys_of_nasbench201_group_its_cells_as_their_functions_do() -> None:
    shared = frozenset({"avg_pool_3x3"})
    texts = [canonical_cell(genotype["normal"], merge_parameterless=True).text for genotype in nasbench201()]
    functions = [signature(genotype["normal"], shared=shared) for genotype in nasbench201()]
    assert grouping(texts) == grouping(functions)


def small_cells(inputs: int, reduction: bool, count: int) -> list[Cell]:
    """Random cells of three nodes or fewer, some respelled, in which few instances have the same op."""
    rng = Random(0)
    cells: list[Cell] = []
    while len(cells) < count:
        cell = random_cell(rng, inputs, rng.randint(1, 3), ["identity", "zero", "conv_1x1", "max_pool_3x3"], 2)
        cells.append(cell)
        if rng.random() < 0.3:
            cells.append(respelled(cell, reduction, rng, steps=3))
    return cells


@pytest.mark.parametrize("reduction", [False, True])
@pytest.mark.parametrize("inputs", [1, 2])
def test_texts_of_small_cells_with_concatenations_group_them_as_their_functions_do(
    inputs: int, reduction: bool
) -> None:
    cells = small_cells(inputs, reduction, 1500)
    texts = [canonical_cell(cell, 2 if reduction else 1).text for cell in cells]
    groups = grouping(texts)
    assert groups == grouping([signature(cell, reduction) for cell in cells])
    assert len(cells) / 10 < len(set(groups)) < len(cells) * 0.95, "both equal and different cells must occur often"


MUTANTS: dict[str, tuple[str, object]] = {
    "identity edges are instances": ("IDENTITY_OPS", frozenset()),
    "zero edges are instances": ("ZERO_OPS", frozenset()),
    "an identity of a concatenation is an op of its own": ("PROJECTION", "projection"),
    "a cell input enters the output by a 1x1 convolution": ("REDUCTION", "conv_1x1"),
    "instances keep the order that they were written in": ("canonical_order", lambda labels, arcs: range(len(labels))),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_brute_force_catches_a_wrong_rule(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    cells = small_cells(2, True, 1500)
    functions = grouping([signature(cell, True) for cell in cells])
    monkeypatch.setattr(canonical, *MUTANTS[name])
    assert grouping([canonical_cell(cell, 2).text for cell in cells]) != functions
