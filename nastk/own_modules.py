"""The modules of a user's own that the command line allows; imported where a name is met that nastk does not have."""

from __future__ import annotations

import importlib
import os
import sys

from nastk.errors import UserError, shortened

VARIABLE = "NASTK_ALLOW_TARGETS"
SETTING = "allow_targets"


def allowed() -> list[str]:
    """Returns the packages, modules and classes that the command line or the environment added to those trusted."""
    return [name for name in os.environ.get(VARIABLE, "").split(",") if name]


def import_allowed() -> None:
    """Imports them, so that the operations and blocks that they enter are there; again, it does nothing.

    Raises:
        UserError: there is no such module, or it cannot be imported.
    """
    for name in allowed():
        try:
            importlib.import_module(name)
        except ModuleNotFoundError as error:
            missing = error.name or ""
            # a class, perhaps within another, whose module is imported now
            if f"{name}.".startswith(f"{missing}.") and missing.rpartition(".")[0] in sys.modules:
                continue
            raise UserError(f"{SETTING}: {name!r}: {error}") from None
        except Exception as error:
            told = shortened(f"{type(error).__name__}: {error}").strip("'\"")
            raise UserError(f"{SETTING}: {name!r}: cannot be imported ({told})") from error
