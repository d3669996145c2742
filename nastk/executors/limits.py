"""How often a candidate is trained again whose worker died, and how long it may take: the same for all executors."""

from __future__ import annotations

from nastk.errors import UserError
from nastk.evaluators import EvaluationFailed


def check_retries(retries: int, max_seconds: float | None) -> None:
    """Raises UserError where one of the settings is out of range."""
    check_range("retries", retries, 0, 100)
    check_range("max_seconds", max_seconds, 0.001, 1e9)


def check_range(name: str, value: float | None, low: float, high: float) -> None:
    """Raises UserError where an executor's setting is given and out of range, NaN included."""
    if value is not None and not low <= value <= high:
        raise UserError(f"executor.{name}={value}: expected {low:,g} to {high:,g}".replace(",", ""))


def took_too_long(max_seconds: float | None) -> EvaluationFailed:
    """Returns what became of a candidate that was given up."""
    return EvaluationFailed(f"took longer than executor.max_seconds={max_seconds:g}")


def times(count: int) -> str:
    """Returns how often, with a blank before it; nothing for once."""
    return {1: "", 2: " twice"}.get(count, f" {count} times")
