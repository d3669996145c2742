"""Which of many like cases run every time, and which by hand with `-m slow`."""

from __future__ import annotations

from collections.abc import Collection, Iterable

import pytest


def mostly_slow(names: Iterable[str], usual: Collection[str]) -> list[object]:
    """Returns parameters of which all but the usual ones are marked slow."""
    return [name if name in usual else pytest.param(name, marks=pytest.mark.slow) for name in sorted(names)]
