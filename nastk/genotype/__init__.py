"""What a network is here: cells, the genotype that holds them, and when two are the same. Needs no library."""

from nastk.genotype.genotype import COMBINES, MAX_EDGES, MAX_NODES, SKELETON_CELLS, Cell, Combine, Edge, Genotype, Node

__all__ = ["COMBINES", "MAX_EDGES", "MAX_NODES", "SKELETON_CELLS", "Cell", "Combine", "Edge", "Genotype", "Node"]
