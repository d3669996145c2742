"""What becomes of each edge of a cell in a runtime, as counts that a latency can be a sum of.

Runtimes differ in what they leave out. One that runs the network as it is written computes every operation. One that
optimises the graph first drops what the output does not depend on; a converter that turns a product with zero into a
constant may still keep an operation that stands alone in its sum. And where the output depends on no input, everything
is a constant. Which of these a device does is not asked for: `nastk.deploy.cost.learned` tells it from latencies.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from nastk.genotype.cell import Cell
from nastk.genotype.cell_genotype import CellGenotype
from nastk.genotype.ops import ZERO_OPS
from nastk.genotype.skeleton import skeleton_named

# The cell's output depends on it; ... but it computes on zeros; only a zero reads its sum, and it is alone in it; no
# one needs it.
LIVE, CONSTANT, ALONE, IDLE = "live", "constant", "alone", "idle"
CONNECTED = "connected"

READINGS: dict[str, tuple[str, ...]] = {
    "every": (LIVE, CONSTANT, ALONE, IDLE),
    "needed": (LIVE, CONSTANT),
    "kept": (LIVE, CONSTANT, ALONE),
    "apart": (LIVE, CONSTANT, ALONE, IDLE),
}


def term_counts(genotype: CellGenotype, reading: str) -> dict[str, float]:
    """Returns how often a runtime meets each term of a genotype's cells.

    Terms are "cell/op", with "/2" behind it for edges of a reduction cell that read the cell's inputs, "cell/output",
    how many pieces of F channels the cell hands on, "cell/wide", by how many pieces more than one its edges read, and
    for all readings but "every" a "connected" of 1 where the output depends on the input; all others are 0 else. Where
    stem or first stack are the genotype's own choice, terms have them in their names, as in "normal/identity@stride2",
    and there is a "stem@stride2" of 1: everything costs something else there.

    Args:
        genotype: of any skeleton.
        reading: a name in `READINGS`: "every" operation, those that the output "needed", those and lone ones ("kept"),
            or every one under a name of its own by what becomes of it ("apart").
    """
    counts: Counter[str] = Counter()
    connected, at = True, _own(genotype)
    if at:
        counts[f"stem{at}"] = 1
    for name, cell in genotype.cells:
        stride = skeleton_named(genotype.skeleton).stride(name)
        pieces = _pieces(cell)
        for state, op, usage in edge_usages(cell):
            if usage not in READINGS[reading]:
                continue
            strided = f"/{stride}" if stride > 1 and state < cell.inputs else ""
            counts[f"{name}/{op}{strided}{at}{f':{usage}' if reading == 'apart' else ''}"] += 1
            counts[f"{name}/wide{at}"] += pieces[state] - 1
        counts[f"{name}/output{at}"] += sum(pieces[state] for state in cell.output)
        carrying = _carrying(cell)
        connected = connected and any(carrying[state] for state in cell.output)
    if reading == "every":
        return {term: float(count) for term, count in counts.items() if count}
    return {CONNECTED: 1.0, **{term: float(count) for term, count in counts.items() if count}} if connected else {}


def _own(genotype: CellGenotype) -> str:
    """Returns what a genotype chooses beside its cells, as terms have it: "@stride2", "@0" or "@stride2,0"."""
    own = ",".join(map(str, genotype.own_network.values()))
    return f"@{own}" if own else ""


def edge_usages(cell: Cell) -> Iterator[tuple[int, str, str]]:
    """Yields the state that each edge but the zeros reads, its op, and what becomes of it."""
    carrying, needed = _carrying(cell), _needed(cell)
    for index, node in enumerate(cell.nodes):
        edges = [edge for edge in node.edges if edge.op not in ZERO_OPS]
        for edge in edges:
            if needed[cell.inputs + index]:
                usage = LIVE if carrying[edge.state] else CONSTANT
            else:
                usage = ALONE if len(edges) == 1 else IDLE
            yield edge.state, edge.op, usage


def _carrying(cell: Cell) -> list[bool]:
    """Says of each state whether it depends on the cell's inputs."""
    carrying = [True] * cell.inputs
    for node in cell.nodes:
        carrying.append(any(edge.op not in ZERO_OPS and carrying[edge.state] for edge in node.edges))
    return carrying


def _needed(cell: Cell) -> list[bool]:
    """Says of each state whether the cell's output depends on it."""
    needed = [False] * (cell.inputs + len(cell.nodes))
    for state in cell.output:
        needed[state] = True
    for index in range(len(cell.nodes) - 1, -1, -1):
        if needed[cell.inputs + index]:
            for edge in cell.nodes[index].edges:
                needed[edge.state] = needed[edge.state] or edge.op not in ZERO_OPS
    return needed


def _pieces(cell: Cell) -> list[int]:
    """Returns how many pieces of F channels each state has."""
    return [1] * cell.inputs + [len(node.edges) if node.combine == "concat" else 1 for node in cell.nodes]
