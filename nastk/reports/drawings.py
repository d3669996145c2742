"""The drawings of a genotype, by its kind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nastk.genotype import CellGenotype, Genotype
from nastk.genotype.stages import StageGenotype
from nastk.reports.cell_drawing import draw_cell
from nastk.reports.stage_drawing import draw_stages

# Gets a genotype of its kind and what is said of it, gives SVG texts by a name for each.
Drawer = Callable[[Any, str], dict[str, str]]


def _cells(genotype: CellGenotype, told: str) -> dict[str, str]:
    first = genotype.first_cells
    own = [f"stem {genotype.stem}"] * bool(genotype.stem)
    own += [f"{first or 'no'} cell{'' if first == 1 else 's'} before the first reduction"] * (first is not None)
    told = ", ".join([told, *own])
    return {name: draw_cell(cell, f"{name} cell of {told}") for name, cell in genotype.cells}


def _stages(genotype: StageGenotype, told: str) -> dict[str, str]:
    return {"network": draw_stages(genotype, told)}


DRAWERS: dict[str, Drawer] = {CellGenotype.kind: _cells, StageGenotype.kind: _stages}


def enter_drawer(kind: str, draw: Drawer) -> None:
    """Enters what draws the genotypes of a kind.

    Raises:
        ValueError: the kind has one.
    """
    if kind in DRAWERS:
        raise ValueError(f"genotype kind {kind!r} has a drawing already")
    DRAWERS[kind] = draw


def draw_genotype(genotype: Genotype, told: str) -> dict[str, str]:
    """Returns SVG texts by name, "normal" and "reduction" or "network", say; none for a kind that has no drawing.

    Args:
        genotype: of any kind.
        told: what the titles call it.
    """
    draw = DRAWERS.get(genotype.kind)
    return {} if draw is None else draw(genotype, told)
