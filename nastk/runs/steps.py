"""steps.jsonl of a run: how long each step took by the clock and by which command, a line a sitting."""

from __future__ import annotations

import contextlib
import json
import shlex
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from nastk.checks import is_number
from nastk.errors import UserError
from nastk.files import append_line
from nastk.runs.known_lines import known_lines
from nastk.runs.schema import SCHEMA

STEPS = "steps.jsonl"
NAMES = ("search", "transfer", "export", "bench")


@contextlib.contextmanager
def timed_step(folder: Path | None, name: str) -> Iterator[None]:
    """Adds what the block took to a run's steps.jsonl, where it was not a mistake of the user's that ended it.

    Args:
        folder: of the run; None for none, of which nothing is written.
        name: one of `NAMES`.
    """
    at, start = time.strftime("%Y-%m-%d %H:%M:%S"), time.monotonic()
    try:
        yield
    except UserError:
        raise
    except BaseException:
        _add(folder, name, at, time.monotonic() - start)
        raise
    _add(folder, name, at, time.monotonic() - start)


def _add(folder: Path | None, name: str, at: str, seconds: float) -> None:
    if folder is None:
        return
    line = {
        "schema": SCHEMA,
        "step": name,
        "seconds": round(seconds, 3),
        "at": at,
        "command": command_line(sys.orig_argv),
    }
    with contextlib.suppress(UserError):  # a step is not lost for want of this line
        append_line(folder / STEPS, json.dumps(line))


def command_line(words: Sequence[str]) -> str | None:
    """Returns the command that a process was started with, quoted for a shell; None where it is none of nastk's.

    Args:
        words: of the process, Python first, as `sys.orig_argv` has them before anything changed them.
    """
    if words[1:2] == ["-m"] and words[2:3] and words[2].partition(".")[0] == "nastk":
        return shlex.join(["python", *words[1:]])
    if words[1:2] and Path(words[1]).name == "nastk":
        return shlex.join(["nastk", *words[2:]])
    return None


def read_commands(folder: Path) -> list[str]:
    """Returns the commands that a run was made by, each once, in the order in which they were first given.

    Raises:
        UserError: the file cannot be read.
    """
    found = (entry.get("command") for entry in known_lines(folder / STEPS))
    return list(dict.fromkeys(command for command in found if isinstance(command, str)))


def read_steps(folder: Path) -> dict[str, float]:
    """Returns the seconds of each step over all sittings, in their usual order; a line that was cut short is left out.

    Raises:
        UserError: the file cannot be read.
    """
    found = dict.fromkeys(NAMES, 0.0)
    for entry in known_lines(folder / STEPS):
        name, seconds = entry.get("step"), entry.get("seconds")
        if name in found and is_number(seconds):
            found[str(name)] += max(float(seconds), 0.0)
    return {name: seconds for name, seconds in found.items() if seconds}
