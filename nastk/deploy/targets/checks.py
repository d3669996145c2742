"""Checks that targets share of what a user sets."""

from __future__ import annotations

from collections.abc import Iterable

from nastk.errors import UserError, unknown

MOST = 2**20


def check_count(name: str, value: object, least: int = 1, most: int = MOST) -> None:
    """Raises UserError where a setting of a target is no whole number in its bounds."""
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise UserError(f"target: {name}={value!r}, expected a whole number from {least} to {most}")


def check_seconds(value: object) -> None:
    """Raises UserError where the seconds of a measurement are no number above 0, at most 60."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 60:
        raise UserError(f"target: seconds={value!r}, expected a number above 0, at most 60")


def check_precision(target: str, value: str, files: Iterable[str]) -> None:
    """Raises UserError where a target has no files of a precision."""
    if value not in files:
        raise unknown(f"precision of target {target}", value, files)
