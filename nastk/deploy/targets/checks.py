"""Checks that targets share of what a user sets."""

from __future__ import annotations

from collections.abc import Iterable

from nastk.checks import check_number, check_whole
from nastk.errors import unknown

MOST = 2**20


def check_count(name: str, value: object, least: int = 1, most: int = MOST) -> None:
    """Raises UserError where a setting of a target is no whole number in its bounds."""
    check_whole(f"target: {name}", value, least, most)


def check_seconds(value: object) -> None:
    """Raises UserError where the seconds of a measurement are no number above 0, at most 60."""
    check_number("target: seconds", value, 0, 60, above=True)


def check_precision(target: str, value: str, files: Iterable[str]) -> None:
    """Raises UserError where a target has no files of a precision."""
    if value not in files:
        raise unknown(f"precision of target {target}", value, files)
