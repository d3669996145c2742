"""Standard output and error of an entry point: every letter is taken, control characters are visible, losses told."""

from __future__ import annotations

import functools
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, ParamSpec, TextIO

from nastk.errors import UserError

P = ParamSpec("P")
MISTAKE = 2
LOST = "standard output or error cannot be written ({}); what was to be printed is lost"
# All that a terminal obeys, but for the end of a line and the tab; names of files and fields may hold any of it.
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
# What tqdm begins a redrawn bar with, and how it goes to a bar above.
BAR = re.compile(r"\r|(?:\x1b\[A)+$")


def visible(text: str) -> str:
    r"""Returns a text with its control characters spelled as Python does, so that no terminal obeys them: `\x1b`."""
    return CONTROL.sub(lambda found: ascii(found.group())[1:-1], text)


def one_line(value: object, most: int = 60) -> str:
    """Returns what a file from anywhere says as one short line that no terminal obeys.

    Args:
        value: of any kind.
        most: letters.
    """
    return visible(" ".join(str(value).split()))[:most]


def console(entry: Callable[P, None]) -> Callable[P, None]:
    """Makes an entry point print through `printed_visibly`, and end with one line where its output is lost."""

    @functools.wraps(entry)
    def run(*given: P.args, **named: P.kwargs) -> None:
        closed = sys.stdout is None
        _open_closed()
        if closed:
            _say("nastk: standard output is closed; give >/dev/null to do without it")
            sys.exit(MISTAKE)
        with printed_visibly() as (out, err):
            stopped: SystemExit | None = None
            try:
                entry(*given, **named)
            except SystemExit as stop:
                stopped = stop
            lost = out.ended() or err.ended()
        if stopped is not None and stopped.code:
            raise stopped
        if lost is not None and not isinstance(lost, BrokenPipeError):
            _say(f"nastk: {LOST.format(lost.strerror)}")
            sys.exit(MISTAKE)
        if stopped is not None:
            raise stopped

    return run


@contextmanager
def printed_visibly() -> Iterator[tuple[Visible, Visible]]:
    """Replaces standard output and error by `Visible` ones within the context, which take every letter."""
    accept_every_letter()
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = out, err = Visible(sys.stdout), Visible(sys.stderr, forgiving=True)
    try:
        yield out, err
    finally:
        sys.stdout, sys.stderr = before


class Visible:
    """A text stream that writes to another one, control characters made visible.

    Args:
        stream: where it writes to.
        forgiving: what cannot be written is left out: no search ends because its notes find no room.

    Raises:
        UserError: what is written is lost, for want of room say.
        BrokenPipeError: whoever read it has left.
    """

    def __init__(self, stream: TextIO, forgiving: bool = False) -> None:
        self._stream = stream
        self._forgiving = forgiving
        self._spelled: Callable[[str], str] = visible
        self._lost: OSError | None = None

    def write(self, text: str) -> int:
        bar = BAR.match(text)
        begin = bar.group() if bar is not None else ""
        self._try(lambda: self._stream.write(begin + self._spelled(text[len(begin) :])))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        self._try(self._stream.flush)

    @property
    def unchanged(self) -> Visible:
        """The same stream for what nastk draws itself: control characters go through it as they are."""
        other = Visible(self._stream, self._forgiving)
        other._spelled = str
        return other

    def ended(self) -> OSError | None:
        """Flushes for the last time; returns why something could not be written, None where all was."""
        with suppress(UserError, BrokenPipeError):
            self.flush()
        return self._lost

    def _try(self, action: Callable[[], object]) -> None:
        try:
            action()
        except OSError as error:
            self._lost = self._lost or error
            with suppress(OSError, ValueError, AttributeError):  # or what it holds back fails again at the end
                os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())
            if isinstance(error, BrokenPipeError) and not self._forgiving:
                raise
            if not self._forgiving:
                raise UserError(LOST.format(error.strerror)) from None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _open_closed() -> None:
    """Opens the null device in place of closed streams: the next file that is opened would take their messages."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            handle = os.open(os.devnull, os.O_RDWR)
            if handle != number:
                os.dup2(handle, number)
                os.close(handle)
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open("r" if number == 0 else "w"))  # noqa: SIM115


def accept_every_letter() -> None:
    """Makes print() write a backslash escape for what a stream cannot encode, where it would raise halfway."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)  # what stands in for a stream may have none
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")


def _say(line: str) -> None:
    with suppress(OSError):
        print(line, file=sys.stderr, flush=True)
