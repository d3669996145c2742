"""Genotypes, as frozen values that travel as JSON: what a network is made of. Loads no torch."""

import nastk.genotype.stages  # noqa: F401  (enters its kind)
from nastk.genotype.cell import COMBINES, MAX_EDGES, MAX_NODES, Cell, Combine, Edge, Node
from nastk.genotype.cell_genotype import CellGenotype
from nastk.genotype.genotype import Genotype

__all__ = ["COMBINES", "MAX_EDGES", "MAX_NODES", "Cell", "CellGenotype", "Combine", "Edge", "Genotype", "Node"]
