"""The one exception for a user's mistake: a line that says what was found, what was expected and what is nearest."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

SHORT = 60


class UserError(Exception):
    """A mistake in what the user gave. Entry points print it as one line and exit with code 2, without a traceback."""

    def __init__(self, message: str) -> None:
        super().__init__(" ".join(message.split()))


def nearest(value: str, valid: Iterable[str]) -> list[str]:
    """Returns the valid names, the most similar to `value` first."""
    matcher = difflib.SequenceMatcher(b=value.lower(), autojunk=False)

    def similarity(name: str) -> float:
        matcher.set_seq1(name.lower())
        return -matcher.ratio()

    return sorted(sorted(valid), key=similarity)


def unknown(kind: str, value: object, valid: Iterable[str]) -> UserError:
    """Returns the error for a name that is not in a table.

    Args:
        kind: what the name stands for, e.g. "op".
        value: what the user wrote.
        valid: the names there are.
    """
    names = nearest(str(value), valid)
    if not names:
        return UserError(f"unknown {kind} {value!r}: there is none to choose from")
    return UserError(f"unknown {kind} {value!r}; nearest is {names[0]!r}, there are: {', '.join(names)}")


def shortened(data: object) -> str:
    """Returns a value for a message, cut where it is long."""
    text = repr(data)
    return text if len(text) <= SHORT else text[: SHORT - 3] + "..."
