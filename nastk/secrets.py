"""Keeps passwords out of what is printed and written: they come from the environment, never from a command line."""

from __future__ import annotations

import re
from collections.abc import Sequence

from nastk.errors import UserError

IN_AN_ADDRESS = re.compile(r"(?<=://)([^/@\s:]*):[^\s]*@|([?&]\w*password=)[^&\s'\"]*")


def refuse_passwords(words: Sequence[str]) -> None:
    """Refuses a command line with a password in an address, before Hydra prints or writes it.

    Raises:
        UserError: there is one; names the setting alone.
    """
    for word in words:
        name, _, value = word.lstrip("+").partition("=")
        if IN_AN_ADDRESS.search(value):
            raise UserError(
                f"{name}: has a password, which does not belong on a command line or in a file; give it in the "
                "environment, for PostgreSQL as PGPASSWORD or in ~/.pgpass"
            )


def without_passwords(text: str) -> str:
    """Returns a text with the passwords of the addresses in it struck out."""
    return IN_AN_ADDRESS.sub(lambda found: f"{found[2]}***" if found[2] else f"{found[1]}:***@", text)
