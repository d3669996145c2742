"""Runs an entry point without Hydra, which takes longer to load than a prediction: same words, same errors."""

from __future__ import annotations

import errno
import os
import sys
import typing
from collections.abc import Callable, Sequence
from dataclasses import MISSING, Field, fields
from typing import Any, TypeVar

from nastk.console import console
from nastk.errors import UserError, unknown

NO_PATH = {errno.ENAMETOOLONG, errno.ELOOP}
HELP = ("--help", "-h")
S = TypeVar("S")


@console
def launch_without_hydra(settings: type[S], job: Callable[[S], int], header: str, examples: Sequence[str]) -> None:
    """Reads `name=value` words from the command line and exits with what `job` returns.

    Exits with 2 and one line on a user's mistake, with 130 after Ctrl-C; a bug keeps its traceback.

    Args:
        settings: a dataclass; a field's metadata says what it is for under "help".
        job: gets the settings, returns the exit code.
        header: what the entry point does, for --help.
        examples: of command lines, for --help.
    """
    try:
        words = sys.argv[1:]
        if any(word in HELP for word in words):
            print(plain_help(settings, header, examples))
            sys.exit(0)
        code = job(parsed(settings, words))
        sys.stdout.flush()
    except UserError as error:
        print(f"nastk: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:  # whoever read our output has left, as in `... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except OSError as error:
        if error.errno not in NO_PATH:
            raise
        print(f"nastk: {str(error.filename)[:80]}...: not a path that can be ({error.strerror})", file=sys.stderr)
        sys.exit(2)
    sys.exit(code)


def parsed(settings: type[S], words: Sequence[str]) -> S:
    """Returns the settings that the words spell; raises UserError where one is unknown, missing or of the wrong type.

    Fields are text or whole numbers; `null` stands for None. A value is taken as it is: paths need no quotes of ours.
    """
    known: dict[str, Field[Any]] = {field.name: field for field in fields(settings)}  # type: ignore[arg-type]
    hints = typing.get_type_hints(settings)
    given: dict[str, Any] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals:
            raise UserError(f"{word!r}: not understood, expected name=value; --help lists the names")
        if name not in known:
            raise unknown("setting", name, known)
        given[name] = _value(name, value, hints[name])
    for name, field in known.items():
        if name not in given and field.default is MISSING:
            raise UserError(f"{name}: not given, expected {name}=VALUE ({field.metadata['help']})")
    return settings(**given)


def _value(name: str, value: str, hint: Any) -> str | int | None:
    kinds = typing.get_args(hint) or (hint,)
    if value == "null" and type(None) in kinds:
        return None
    if int not in kinds:
        return value
    try:
        return int(value)
    except ValueError:
        raise UserError(f"{name}={value!r}: expected a whole number") from None


def plain_help(settings: type[Any], header: str, examples: Sequence[str]) -> str:
    """Returns what --help prints; see `launch_without_hydra`."""
    lines = []
    for field in fields(settings):
        default = "???" if field.default is MISSING else "null" if field.default is None else field.default
        lines.append(f"  {f'{field.name}={default}':<16} {field.metadata['help']}")
    return "\n".join(
        [header, "", "Settings: name=value", "", *lines, "", "Examples:", *(f"  {one}" for one in examples)]
    )
