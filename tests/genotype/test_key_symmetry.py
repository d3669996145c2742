"""Symmetric cells and graphs: numbered exactly and in time."""

from __future__ import annotations

import time
from collections.abc import Sequence
from random import Random

import networkx as nx
import pytest

from nastk.genotype import Cell, Edge, Node
from nastk.genotype.graph_order import canonical_order
from nastk.genotype.key import canonical_cell
from nastk.spaces import NasnetSpace, random_genotype
from tests.genotype.cell_spelling import respelled

Graph = tuple[list[str], list[dict[int, int]]]


def code(graph: Graph) -> object:
    """Returns the graph with its vertices numbered canonically."""
    labels, arcs = graph
    order = canonical_order(labels, arcs)
    assert sorted(order) == list(range(len(labels)))
    place = {vertex: index for index, vertex in enumerate(order)}
    return [(labels[v], sorted((place[head], times) for head, times in arcs[v].items())) for v in order]


def renumbered(graph: Graph, rng: Random) -> Graph:
    labels, arcs = graph
    place = rng.sample(range(len(labels)), len(labels))
    new_labels = [""] * len(labels)
    new_arcs: list[dict[int, int]] = [{} for _ in labels]
    for vertex, label in enumerate(labels):
        new_labels[place[vertex]] = label
        heads = rng.sample(list(arcs[vertex].items()), len(arcs[vertex]))
        new_arcs[place[vertex]] = {place[head]: times for head, times in heads}
    return new_labels, new_arcs


def of_networkx(graph: nx.Graph) -> Graph:
    number = {vertex: index for index, vertex in enumerate(graph)}
    return ["v"] * len(graph), [{number[other]: 1 for other in graph[vertex]} for vertex in graph]


def test_random_graphs_have_one_code_exactly_if_they_are_isomorphic() -> None:
    rng = Random(0)
    graphs: list[Graph] = []
    for _ in range(150):
        size = rng.randint(1, 5)
        arcs = [
            {head: rng.choice([1, 1, 2]) for head in range(size) if head != tail and rng.random() < 0.4}
            for tail in range(size)
        ]
        graphs.append(([rng.choice("aab") for _ in range(size)], arcs))
    references = []
    for labels, arcs in graphs:
        reference = nx.DiGraph()
        for vertex, label in enumerate(labels):
            reference.add_node(vertex, label=label)
        reference.add_edges_from((tail, head, {"n": n}) for tail, heads in enumerate(arcs) for head, n in heads.items())
        references.append(reference)
    codes = [code(graph) for graph in graphs]
    equal = 0
    for one in range(len(graphs)):
        for other in range(one):
            isomorphic = nx.is_isomorphic(
                references[one],
                references[other],
                node_match=lambda a, b: a["label"] == b["label"],
                edge_match=lambda a, b: a["n"] == b["n"],
            )
            assert (codes[one] == codes[other]) == isomorphic
            equal += isomorphic
    assert equal > 50


def rook() -> nx.Graph:
    return nx.convert_node_labels_to_integers(nx.line_graph(nx.complete_bipartite_graph(4, 4)))


def with_loops(graph: nx.Graph) -> nx.Graph:
    graph.add_edges_from((vertex, vertex) for vertex in list(graph))
    return graph


SYMMETRIC: dict[str, nx.Graph] = {
    "petersen": nx.petersen_graph(),
    "heawood": nx.heawood_graph(),
    "desargues": nx.desargues_graph(),
    "dodecahedral": nx.dodecahedral_graph(),
    "cube of 5 dimensions": nx.hypercube_graph(5),
    "rook 4x4": rook(),
    "eight triangles": nx.disjoint_union_all([nx.cycle_graph(3)] * 8),
    "four pentagons": nx.disjoint_union_all([nx.cycle_graph(5)] * 4),
    "one ring of 20": nx.cycle_graph(20),
    "complete, two parts": nx.complete_bipartite_graph(10, 10),
    "frucht, without symmetry": nx.frucht_graph(),
    "random cubic": nx.random_regular_graph(3, 24, seed=1),
}


@pytest.mark.parametrize("name", SYMMETRIC)
def test_symmetric_graph_has_one_code_however_it_is_numbered(name: str) -> None:
    rng = Random(0)
    graph = of_networkx(SYMMETRIC[name])
    assert all(code(renumbered(graph, rng)) == code(graph) for _ in range(5))


def shrikhande() -> nx.Graph:
    steps = [(0, 1), (1, 0), (1, 1)]
    return nx.Graph(((x, y), ((x + dx) % 4, (y + dy) % 4)) for x in range(4) for y in range(4) for dx, dy in steps)


def incidence(graph: nx.Graph, op: str, combine: str = "add") -> Cell:
    """Returns the cell with a convolution for each vertex and a node for each vertex's neighbours."""
    vertices = sorted(graph)
    points = [Node((Edge(0, "conv_3x3"),)) for _ in vertices]
    sums = [
        Node(tuple(Edge(2 + vertices.index(other), op) for other in graph[vertex]), combine)  # type: ignore[arg-type]
        for vertex in vertices
    ]
    return Cell(2, (*points, *sums), tuple(range(2 + len(points), 2 + 2 * len(points))))


def test_cells_and_graphs_that_colours_alone_cannot_tell_apart_are_told_apart() -> None:
    """Rook and Shrikhande graph are both strongly regular with parameters (16, 6, 2, 2), and not isomorphic.

    Their neighbourhoods make the same design, so the cells sum each vertex with its neighbours.
    """
    assert code(of_networkx(rook())) != code(of_networkx(shrikhande()))
    assert (
        canonical_cell(incidence(rook(), "identity")).text == canonical_cell(incidence(shrikhande(), "identity")).text
    )
    closed = [incidence(with_loops(graph), "identity") for graph in (rook(), shrikhande())]
    assert canonical_cell(closed[0]).text != canonical_cell(closed[1]).text
    ring = nx.cycle_graph(16)
    rings = nx.disjoint_union(nx.cycle_graph(8), nx.cycle_graph(8))
    assert canonical_cell(incidence(ring, "identity")).text != canonical_cell(incidence(rings, "identity")).text


def layers(width: int, combine: str) -> Cell:
    """Returns the cell of layers in which every node reads every node of the layer before."""
    nodes = []
    for index in range(32):
        first = 2 + width * (index // width - 1)
        read: Sequence[int] = range(first, first + width) if index >= width else (0, 1)
        nodes.append(Node(tuple(Edge(state, "conv_3x3") for state in read), combine))  # type: ignore[arg-type]
    return Cell(2, tuple(nodes), tuple(range(34 - width, 34)))


def chains(length: int) -> Cell:
    width = 32 // length
    nodes = [Node((Edge(0 if index < width else index - width + 2, "conv_3x3"),)) for index in range(32)]
    return Cell(2, tuple(nodes), tuple(range(34 - width, 34)))


NASTY: dict[str, Cell] = {
    "32 equal nodes": chains(1),
    "16 chains of 2": chains(2),
    "4 chains of 8": chains(8),
    "32 nodes of 2 equal pieces": Cell(
        2, tuple(Node((Edge(0, "conv_3x3"),) * 2, "concat") for _ in range(32)), tuple(range(2, 34))
    ),
    "layers of 8, added": layers(8, "add"),
    "layers of 8, concatenated": layers(8, "concat"),
    "layers of 4, concatenated": layers(4, "concat"),
    "4x4 rook": incidence(
        nx.convert_node_labels_to_integers(nx.line_graph(nx.complete_bipartite_graph(4, 4))), "identity"
    ),
    "shrikhande": incidence(shrikhande(), "identity"),
    "shrikhande with convolutions": incidence(shrikhande(), "conv_3x3", "concat"),
    "cube": incidence(nx.convert_node_labels_to_integers(nx.hypercube_graph(4)), "identity"),
    "five triangles": incidence(nx.disjoint_union_all([nx.cycle_graph(3)] * 5), "identity"),
    "four rings": incidence(nx.disjoint_union_all([nx.cycle_graph(4)] * 4), "conv_3x3"),
    "doubling 32 times": Cell(2, tuple(Node((Edge(1 + i, "identity"),) * 2) for i in range(32)), (33,)),
    "every state read by every node": Cell(
        2, tuple(Node(tuple(Edge(s, "conv_3x3") for s in range(2 + i))) for i in range(32)), (33,)
    ),
    "1000 equal edges": Cell(
        2, (Node((Edge(0, "conv_3x3"),) * 1000), Node((Edge(2, "conv_3x3"),) * 1000, "concat")), (3,)
    ),
}


@pytest.mark.parametrize("name", NASTY)
def test_nasty_cell_takes_less_than_a_second_and_keeps_its_text_when_respelled(name: str) -> None:
    cell = NASTY[name]
    start = time.process_time()
    text = canonical_cell(cell).text
    assert time.process_time() - start < 1
    rng = Random(0)
    assert all(canonical_cell(respelled(cell, False, rng)).text == text for _ in range(3))


def test_key_of_a_nasnet_genotype_takes_a_few_milliseconds() -> None:
    genotypes = [random_genotype(NasnetSpace(), Random(seed)) for seed in range(200)]
    start = time.process_time()
    for genotype in genotypes:
        assert genotype.key
    assert (time.process_time() - start) / len(genotypes) < 0.01
