"""Networks as counts of the terms that their latency can be a sum of, by every reading that a few samples can tell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from nastk.deploy.cost.robust import Floats
from nastk.deploy.cost.workload import GRAPH
from nastk.genotype import CellGenotype, Genotype
from nastk.genotype.usage import READINGS

APART = "apart"  # has more terms than few samples can tell apart


@dataclass(frozen=True)
class TermTable:
    """Networks by one reading.

    Attributes:
        reading: which of a network's operations a device is taken to run, a name in `usage.READINGS`, or "graph".
        terms: their names.
        counts: (networks, 1 + terms), a column of ones first.
    """

    reading: str
    terms: tuple[str, ...]
    counts: Floats

    def part(self, networks: Sequence[int]) -> TermTable:
        """Returns the same of some of the networks."""
        return TermTable(self.reading, self.terms, self.counts[list(networks)])


def term_table(reading: str, rows: Sequence[Mapping[str, float]]) -> TermTable:
    """Returns the table of networks, given how much of each term they have."""
    terms = sorted({term for row in rows for term in row})
    counts = np.array([[1.0, *(row.get(term, 0.0) for term in terms)] for row in rows])
    return TermTable(reading, tuple(terms), counts)


def term_tables(genotypes: Sequence[Genotype], graphs: Sequence[Mapping[str, float]] = ()) -> list[TermTable]:
    """Returns the tables of networks of one space.

    Of cells there is one for each reading but that which keeps all apart, for runtimes differ in what they leave out;
    of other networks one, of the work in their graphs, which tells kernels, widths and image sizes apart.

    Args:
        genotypes: at least one.
        graphs: of each what `graph_terms` returns; of cells they are not needed.
    """
    if not isinstance(genotypes[0], CellGenotype):
        return [term_table(GRAPH, graphs)]
    readings = [reading for reading in READINGS if reading != APART]
    return [term_table(reading, [genotype.terms(reading) for genotype in genotypes]) for reading in readings]
