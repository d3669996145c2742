"""The genotype of a network of cells."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

from nastk.errors import UserError
from nastk.genotype.cell import Cell, mapping_in, read_cell
from nastk.genotype.genotype import CELLS, Genotype, check_cells, enter_kind
from nastk.genotype.ops import OP_FACTS
from nastk.genotype.skeleton import SKELETONS
from nastk.genotype.stems import check_first_cells, check_stem
from nastk.own_modules import import_allowed

SCHEMA = 1
OWN = ("stem", "first_cells")  # what a file may have beside the cells


@dataclass(frozen=True)
class CellGenotype(Genotype):
    """The cells of a network and the skeleton that they are stacked in.

    Attributes:
        skeleton: one that is made of cells, e.g. "nasnet", "darts" or "nasbench201".
        cells: (name, cell) pairs in the skeleton's order: "normal" and, but for nasbench201, "reduction".
        stem: what stands before the cells, a name in `STEMS`, where that is a choice; "" for the network's.
        first_cells: normal cells before the first reduction, where that is a choice; None for the network's.
    """

    kind: ClassVar[str] = CELLS

    skeleton: str
    cells: tuple[tuple[str, Cell], ...]
    stem: str = ""
    first_cells: int | None = None

    def __post_init__(self) -> None:
        if self.stem != "":
            check_stem(self.stem)
        check_first_cells("genotype", self.first_cells)
        check_cells(self.skeleton, [(name, cell.inputs) for name, cell in self.cells])
        if not self.ops <= OP_FACTS.keys():  # key, encoding and terms go by the facts of each operation
            import_allowed()

    def __getitem__(self, name: str) -> Cell:
        return dict(self.cells)[name]

    @cached_property
    def key(self) -> str:
        """Equal for genotypes that compute the same function up to a renaming of weights; see `nastk.genotype.key`."""
        from nastk.genotype.key import genotype_key

        return genotype_key(self)

    @property
    def own_network(self) -> dict[str, Any]:
        """Stem and cells before the first reduction, where they are choices."""
        stem = {"stem": self.stem} if self.stem else {}
        return stem if self.first_cells is None else {**stem, "first_cells": self.first_cells}

    @property
    def ops(self) -> frozenset[str]:
        """Names of the operations it uses."""
        return frozenset(edge.op for _, cell in self.cells for node in cell.nodes for edge in node.edges)

    def to_dict(self) -> dict[str, Any]:
        """Returns plain lists, dicts and numbers, the JSON form."""
        cells = {name: cell.to_dict() for name, cell in self.cells}
        return {"schema": SCHEMA, "skeleton": self.skeleton, "cells": cells, **self.own_network}

    def encoding(self) -> list[float]:
        """Returns the path encoding, see `nastk.genotype.paths`."""
        from nastk.genotype.paths import path_encoding

        return path_encoding(self)

    def terms(self, reading: str) -> dict[str, float]:
        """Returns the counts of `nastk.genotype.usage.term_counts`."""
        from nastk.genotype.usage import term_counts

        return term_counts(self, reading)

    @property
    def readings(self) -> tuple[str, ...]:
        """The names in `nastk.genotype.usage.READINGS`."""
        from nastk.genotype.usage import READINGS

        return tuple(READINGS)

    def lines(self) -> list[str]:
        """Returns the states of each cell and what they are computed of, after what stands before them."""
        found = [f"{name.replace('_', ' ')} {value}" for name, value in self.own_network.items()]
        for name, cell in self.cells:
            found.append(f"{name} cell (states 0 to {cell.inputs - 1} are its inputs)")
            for index, node in enumerate(cell.nodes, start=cell.inputs):
                joined = f" {'+' if node.combine == 'add' else '|'} "
                found.append(f"  state {index} = {joined.join(f'{edge.op}({edge.state})' for edge in node.edges)}")
            found.append(f"  output = {' | '.join(map(str, cell.output))}")
        return found

    @staticmethod
    def from_dict(data: object) -> CellGenotype:
        """Reads what `to_dict` gave.

        Raises:
            UserError: where the data are not of that form; the message names the place.
        """
        known = dict(data) if isinstance(data, dict) else data
        if isinstance(known, dict):
            known.pop("kind", None)
        own = {name: known.pop(name) for name in OWN if name in known} if isinstance(known, dict) else {}
        top = mapping_in(known, "genotype", ("schema", "skeleton", "cells"))
        if top["schema"] != SCHEMA:
            raise UserError(f"genotype: schema {top['schema']!r}, expected {SCHEMA}")
        cells = mapping_in(top["cells"], "genotype: cells")
        if not isinstance(top["skeleton"], str):
            raise UserError(f"genotype: skeleton {top['skeleton']!r}, expected a name")
        plan = SKELETONS.get(top["skeleton"])
        order = [place.name for place in plan.cells] if plan else []
        names = sorted(cells, key=lambda name: order.index(name) if name in order else len(order))
        return CellGenotype(top["skeleton"], tuple((name, read_cell(cells[name], name)) for name in names), **own)


enter_kind(CELLS, CellGenotype.from_dict)
