"""Under which conditions latencies of a file were taken, and whether a target's are the same."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nastk.errors import UserError, shortened
from nastk.runs.latency_record import HOLD_FOR

# Settings of a target that a latency holds for, and what one has that lacks the setting.
CONDITIONS: Mapping[str, object] = {**dict.fromkeys(HOLD_FOR), "streams": 1}


def conditions_of(target: object) -> dict[str, Any]:
    """Returns those of a target, as many as it has."""
    return {name: getattr(target, name) for name in CONDITIONS if hasattr(target, name)}


def check_conditions(path: object, taken: Mapping[str, Any], target: object, what: str) -> None:
    """Raises UserError where a file's latencies were taken under other conditions than a target's.

    Args:
        path: of the file, for the message.
        taken: its conditions; what it does not tell is not compared.
        target: whose settings are compared.
        what: the file is.
    """
    for name, without in CONDITIONS.items():
        found, asked = taken.get(name), getattr(target, name, without)
        if found is not None and found != asked:
            plain = isinstance(found, int) or (isinstance(found, str) and found.isidentifier())
            told = found if plain else shortened(found)
            raise UserError(
                f"{path}: was taken with {name}={told}, the target has {name}={asked}; "
                f"give target.{name}={told}, or measure such a {what}"
            )
