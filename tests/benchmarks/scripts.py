"""Modules of scripts/benchmarks, which are no package: they find each other by lying in one folder."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType

FOLDER = Path(__file__).resolve().parents[2] / "scripts" / "benchmarks"


def script(name: str) -> ModuleType:
    """Returns a script as a module, without running it; what it does to sys.path is undone."""
    before = list(sys.path)
    sys.path.insert(0, str(FOLDER))
    try:
        return importlib.import_module(name)
    finally:
        sys.path[:] = before
