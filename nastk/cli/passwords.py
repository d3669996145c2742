"""Keeps passwords out of what is printed and written: they come from the environment, never from a command line."""

from __future__ import annotations

import re
from collections.abc import Sequence

from nastk.errors import UserError

IN_AN_ADDRESS = re.compile(r"(?<=://)([^@\s:]*):[^\s]*@|([?&]\w*password=)[^&\s'\"]*")
IN_A_HOST = re.compile(r"(?<![^\s='\"{\[,:])([\w.%+-]+):(?!//)[^\s@]+@")  # user:password@host, with no scheme before it
NAMED_HOST = re.compile(rf"(\b(?:storage|hosts?|url|address)['\"]?[=:]\W*){IN_A_HOST.pattern}")
OF_A_MACHINE = re.compile(r"storage|(.*\.)?(host|hosts|url|address)")


def has_password(address: str) -> bool:
    """Whether there is a password in an address or in the name of a machine."""
    return bool(IN_AN_ADDRESS.search(address) or IN_A_HOST.search(address))


def refuse_passwords(words: Sequence[str]) -> None:
    """Refuses a command line with a password in an address, before Hydra prints or writes it.

    Raises:
        UserError: there is one; names the setting alone.
    """
    for word in words:
        name, _, value = word.lstrip("+").partition("=")
        if IN_AN_ADDRESS.search(value) or (OF_A_MACHINE.fullmatch(name) and has_password(value)):
            raise UserError(
                f"{name}: has a password, which does not belong on a command line or in a file; give it in the "
                "environment, for PostgreSQL as PGPASSWORD or in ~/.pgpass"
            )


def without_passwords(text: str) -> str:
    """Returns a text with the passwords of the addresses in it struck out."""
    text = IN_AN_ADDRESS.sub(lambda found: f"{found[2]}***" if found[2] else f"{found[1]}:***@", text)
    return NAMED_HOST.sub(lambda found: f"{found[1]}{found[2]}:***@", text)
