"""The image sizes that a candidate may choose: pixels, or shares of what the images have."""

from __future__ import annotations

from collections.abc import Sequence

from nastk.checks import is_whole
from nastk.errors import UserError

GRAIN = 8  # a share comes to a multiple of it, so that a stride or three leave whole pixels


def resolutions(space: object) -> tuple[int, ...]:
    """Returns the image sizes that candidates of a space may choose, none where they all take the data's own."""
    return tuple(getattr(space, "resolutions", ()))


def pixels_of(wanted: object, size: int | None, least: int) -> tuple[int, ...]:
    """Returns pixels a side, each once, in the order of `wanted`.

    A share of the image size is rounded to a multiple of 8, at least 8 and `least`, at most the size itself.

    Args:
        wanted: whole pixels, shares of the image size (above 0, up to 1.0), or both; a single one or a list.
        size: pixels a side of the images, None where that is not known: then there are no shares of it to tell.
        least: pixels a side that a network needs.

    Raises:
        UserError: fewer pixels than `least`, more than the images have, or neither pixels nor a share.
    """
    listed = list(wanted) if isinstance(wanted, Sequence) and not isinstance(wanted, str) else [wanted]
    found = [_checked(item, size, least) for item in listed]
    if len(set(map(repr, listed))) != len(listed):
        raise UserError(f"space: resolution={listed}, expected every one once")
    if size is None:
        return tuple(item for item in found if isinstance(item, int)) if all(map(is_whole, found)) else ()
    return tuple(dict.fromkeys(item if isinstance(item, int) else share_of(size, item, least) for item in found))


def share_of(size: int, share: float, least: int = GRAIN) -> int:
    """Returns a share of a size in pixels, see `pixels_of`; half-way between two multiples, the larger one."""
    if share == 1:
        return size
    grains = int(share * size / GRAIN + 0.5)
    return min(max(grains * GRAIN, GRAIN, least), size)


def check_most(resolution: int, size: int) -> None:
    """Raises UserError for more pixels a side than the images have."""
    if resolution > size:
        raise UserError(f"space: resolution={resolution}, expected at most {size} pixels a side, as the images have")


def _checked(item: object, size: int | None, least: int) -> int | float:
    if is_whole(item):
        if item < least:
            raise UserError(
                f"space: resolution={item}, expected at least {least}: so many pixels its last map is to have"
            )
        check_most(item, item if size is None else size)
        return item
    if isinstance(item, float) and 0 < item <= 1:
        return item
    raise UserError(
        f"space: resolution={item!r}, expected whole pixels a side, or a share of the images' above 0 and up to 1.0"
    )
