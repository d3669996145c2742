"""Lets stdout and stderr take every letter: a name that their encoding lacks is printed with escapes for it."""

from __future__ import annotations

import sys


def accept_every_letter() -> None:
    """Makes print() write a backslash escape for what a stream cannot encode, where it would raise halfway."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)  # what stands in for a stream may have none
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")
