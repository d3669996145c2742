"""One vocabulary for what a user's value has to be: each check returns the value, or raises one line with one wording.

`true` is no number and `1` is no truth value: Python's bool is an int, and whoever writes `epochs=true` is mistaken.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping
from typing import Any, TypeGuard

from nastk.errors import UserError, shortened, unknown

MOST = 2**32 - 1  # the greatest seed; of anything else it is more than there can be


def is_whole(value: object, least: int | None = None, most: int | None = None) -> TypeGuard[int]:
    """Says whether a value is a whole number from `least` to `most`, None for no bound."""
    if isinstance(value, bool) or not isinstance(value, int):
        return False
    return (least is None or value >= least) and (most is None or value <= most)


def is_number(value: object) -> TypeGuard[int | float]:
    """Says whether a value is a finite number that a float can hold."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number of over 308 digits
        return False


def check_whole(where: str, value: object, least: int | None = None, most: int | None = None) -> int:
    """Returns a whole number.

    Args:
        where: what the message begins with, e.g. "target: threads".
        value: what was given for it.
        least, most: its bounds, both allowed; None for no bound.

    Raises:
        UserError: it is something else, or beyond its bounds.
    """
    if not is_whole(value, least, most):
        raise wrong(where, value, f"a whole number{_bounds(least, most)}")
    return value


def check_number(
    where: str,
    value: object,
    least: float | None = None,
    most: float | None = None,
    *,
    above: bool = False,
    below: bool = False,
    kind: str = "a number",
) -> float:
    """Returns a finite number.

    Args:
        where: what the message begins with.
        value: what was given for it.
        least, most: its bounds; None for no bound.
        above: whether `least` itself is refused.
        below: whether `most` itself is refused.
        kind: what the message calls it, e.g. "a share".

    Raises:
        UserError: it is something else, not finite, or beyond its bounds.
    """
    if is_number(value):
        too_low = least is not None and (value <= least if above else value < least)
        too_high = most is not None and (value >= most if below else value > most)
        if not too_low and not too_high:
            return value
    raise wrong(where, value, f"{kind}{_bounds(least, most, above, below)}")


def check_probability(where: str, value: object, *, below: bool = False) -> float:
    """Returns a number from 0 to 1, or with `below` to below 1; raises UserError where it is something else."""
    return check_number(where, value, 0, 1, below=below, kind="a probability")


def check_flag(where: str, value: object, *also: str | None) -> None:
    """Raises UserError unless `value` is true, false or one of `also`, a word or None for null."""
    if not isinstance(value, bool) and not any(value is other or value == other for other in also):
        words = [*("null" if other is None else other for other in also), "true"]
        raise wrong(where, value, f"{', '.join(words)} or false")


def check_name(kind: str, value: object, valid: Iterable[str]) -> str:
    """Returns a name of a table.

    Args:
        kind: what the name stands for, e.g. "optimizer".
        value: what was given for it.
        valid: the names there are.

    Raises:
        UserError: it is none of them; the message names the nearest.
    """
    names = tuple(valid)
    if not isinstance(value, str) or value not in names:
        raise unknown(kind, value, names)
    return value


def check_names(where: str, names: object, kind: str = "name", valid: Iterable[str] | None = None) -> tuple[str, ...]:
    """Returns the names of a list from a configuration or a file as a tuple.

    Args:
        where: what the messages begin with, e.g. "space: ops".
        names: a list, tuple or OmegaConf list.
        kind: what one name stands for, e.g. "op".
        valid: the names there are; None where any text will do, an empty list too.

    Raises:
        UserError: it is no list, holds something else than text, or, where `valid` is given: it is empty, has a name
            twice or an unknown one.
    """
    if isinstance(names, str | bytes | Mapping) or not isinstance(names, Iterable):
        raise wrong(where, names, "a list of names")
    found: tuple[Any, ...] = tuple(names)
    if valid is None:
        if not all(isinstance(name, str) for name in found):
            raise wrong(where, names, "a list of names")
        return found
    known = tuple(valid)
    if not found:
        raise UserError(f"{where}=[], expected at least one of {', '.join(known)}")
    for index, name in enumerate(found):
        check_name(f"{kind} in {where}", name, known)
        if name in found[:index]:
            raise UserError(f"{where}: {name!r} is there twice, expected every name once")
    return found


def check_path(where: str, value: object) -> str:
    """Returns a path as text; raises UserError where it is none, or empty."""
    if not isinstance(value, str | os.PathLike) or not os.fspath(value):
        raise wrong(where, value, "a path")
    return str(value)


def wrong(where: str, value: object, expected: str) -> UserError:
    """Returns the error of a value that is not what it has to be."""
    return UserError(f"{where}={shortened(value)}, expected {expected}")


def _bounds(least: float | None, most: float | None, above: bool = False, below: bool = False) -> str:
    low = None if least is None else f"{'above' if above else 'of at least'} {_written(least)}"
    if most is None:
        return "" if low is None else f" {low}"
    if low is None or least is None:
        return f" {'below' if below else 'of at most'} {_written(most)}"
    if above:
        return f" {low}, {'below' if below else 'at most'} {_written(most)}"
    return f" from {_written(least)} to {'below ' if below else ''}{_written(most)}"


def _written(bound: float) -> str:
    return str(bound) if isinstance(bound, int) else f"{bound:g}"
