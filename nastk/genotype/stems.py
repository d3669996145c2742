"""What stands before the first stack of cells: the stems by name, and by how much they take the resolution down."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nastk.checks import check_names, is_whole
from nastk.errors import UserError, unknown

STRIDES = {"cifar": 1, "stride2": 2, "stride4": 4, "stride8": 8}
STEMS = (*STRIDES, "imagenet")
IMAGENET_STRIDE = 8
MOST_CELLS = 1000
AS_OTHERS = "N"  # as many cells before the first reduction as in the other stacks


def check_stem(stem: str) -> str:
    """Returns the name of a stem; raises UserError where there is none of that name."""
    if stem not in STEMS:
        raise unknown("stem", stem, STEMS)
    return stem


def check_first_cells(where: str, cells: int | None) -> int | None:
    """Returns a number of cells before the first reduction, None for as many as in the other stacks."""
    if cells is not None and not is_whole(cells, 0, MOST_CELLS):
        raise UserError(f"{where}: first_cells={cells!r}, expected 0 to {MOST_CELLS} cells before the first reduction")
    return cells


def stem_choices(wanted: str | Sequence[str] | None) -> tuple[str, ...]:
    """Returns the stems that a space's candidates choose from; empty for None: no choice.

    Raises:
        UserError: no stem in the list, one that there is not, or one twice.
    """
    if wanted is None:
        return ()
    names = [wanted] if isinstance(wanted, str) else list(wanted)
    return check_names("space: stem", names, "stem", STEMS)


def first_cells_choices(wanted: int | str | Sequence[int | str] | None) -> tuple[str, ...]:
    """Returns the numbers of cells before the first reduction to choose from, as words; empty for None: no choice.

    Raises:
        UserError: an empty list, a number or word that cannot be, or one twice.
    """
    if wanted is None:
        return ()
    items: list[Any] = [wanted] if isinstance(wanted, int | str) else list(wanted)
    for item in items:
        if item != AS_OTHERS and not is_whole(item, 0, MOST_CELLS):
            raise UserError(
                f"space: first_cells={item!r}, expected 0 to {MOST_CELLS} cells before the first reduction, or "
                f"{AS_OTHERS}: as many as in the other stacks"
            )
    names = tuple(map(str, items))
    if not names or len(set(names)) != len(names):
        raise UserError(f"space: first_cells={items}, expected at least one, every one once")
    return names
