"""Ctrl-C, and SIGTERM as a cluster sends it: what is under way is dropped within seconds, and how to go on is said."""

from __future__ import annotations

import atexit
import contextlib
import os
import select
import shlex
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import NoReturn

WHOLE = "wish"  # the entry point of the job as a whole, which has no name on the command line
SIGNALS = (signal.SIGINT, signal.SIGTERM)
SECONDS = 4.0  # for an orderly end; a computation that hears nothing for so long is ended with the process
TOGETHER = 0.5  # a signal that is sent to a process and to its group comes twice

_settings: dict[str, str] = {}
_received: list[int] = []  # by the process
_raised: list[int] = []  # as a KeyboardInterrupt; a library that takes SIGTERM over may make a SystemExit of it
_told: list[bool] = []


def goes_on_with(**settings: object) -> None:
    """Says which settings the command needs to go on with what it has begun, e.g. run=FOLDER where none was given."""
    _settings.update({name: str(value) for name, value in settings.items()})


def command_to_go_on(entry: str, words: Sequence[str]) -> str:
    """Returns the command line that goes on, quoted for a shell.

    Args:
        entry: as in `python -m nastk.<entry>`.
        words: that the user gave.
    """
    given = {word.partition("=")[0].lstrip("+") for word in words}
    more = [f"{name}={value}" for name, value in _settings.items() if name not in given]
    return shlex.join([*command_words(entry), *words, *more])


def command_words(entry: str) -> list[str]:
    """Returns how a command line for an entry point begins: as the one of this process, `nastk` or `python -m`."""
    if Path(sys.argv[0]).name == "nastk":
        return ["nastk"] if entry == WHOLE else ["nastk", entry]
    return ["python", "-m", "nastk" if entry == WHOLE else f"nastk.{entry}"]


@contextlib.contextmanager
def stoppable(go_on: Callable[[], str]) -> Iterator[None]:
    """Makes SIGINT and SIGTERM a KeyboardInterrupt in the block, and that an exit with 130 or 143 and one line.

    A second signal ends the process at once, and so does the first where the block does not end in `SECONDS`: whatever
    the process does then, no file is left half written, and child processes end with it.

    Args:
        go_on: returns the command that goes on.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    _reset()
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)  # what comes from here on is heard in the block
    before = {number: signal.getsignal(number) for number in SIGNALS}
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:  # as under nohup
            signal.signal(number, _interrupt)
    # The main thread hears of a signal between two steps of Python only; this pipe is written at once.
    read, write = os.pipe()
    os.set_blocking(write, False)
    previous = signal.set_wakeup_fd(write, warn_on_full_buffer=False)
    # The thread that is started with signals blocked takes none from one that puts them off.
    threading.Thread(target=_watch, args=(read, go_on), daemon=True).start()
    try:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        yield
    except BaseException as error:
        if not _received and not isinstance(error, KeyboardInterrupt):
            raise
        _say(go_on)
        _exit()
    finally:
        if not _received:  # else the process is about to end, and a second signal is still to end it at once
            signal.set_wakeup_fd(previous)
            os.close(write)
            for number, handler in before.items():
                signal.signal(number, handler)


def _reset() -> None:
    """Forgets what an earlier block has heard and said."""
    _settings.clear()
    _received.clear()
    _raised.clear()
    _told.clear()


def _exit() -> NoReturn:
    """Ends the process as a shell expects it of one that a signal has ended."""
    if not _received:
        sys.exit(128 + signal.SIGINT)
    atexit._run_exitfuncs()  # what Python and torch do after these, to free memory, takes seconds on a busy machine
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(128 + _received[0])


def _interrupt(number: int, frame: FrameType | None) -> None:
    if not _raised:
        _raised.append(number)
        _received.append(number)
        raise KeyboardInterrupt


def _watch(read: int, go_on: Callable[[], str]) -> None:
    first, start = 0, 0.0
    while True:
        ready, _, _ = select.select([read], [], [], max(0.0, start + SECONDS - time.monotonic()) if first else None)
        now = time.monotonic()
        numbers = os.read(read, 64) if ready else b""
        if ready and not numbers:
            os.close(read)
            return
        if first and (now >= start + SECONDS or (now >= start + TOGETHER and any(one in SIGNALS for one in numbers))):
            _say(go_on)
            os._exit(128 + first)
        for number in numbers:
            if number in SIGNALS and not first:
                first, start = number, now
                _received.append(number)


def _say(go_on: Callable[[], str]) -> None:
    if not _told:
        _told.append(True)
        line = f"\nstopped; nothing finished is lost. To go on: {go_on()}\n"
        os.write(2, line.encode(errors="replace"))


def _forget() -> None:
    """In a forked child: its signals are its own, and the pipe is not."""
    with contextlib.suppress(ValueError):
        signal.set_wakeup_fd(-1)
        if signal.getsignal(signal.SIGTERM) is _interrupt:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
        if signal.getsignal(signal.SIGINT) is _interrupt:
            signal.signal(signal.SIGINT, signal.default_int_handler)


os.register_at_fork(after_in_child=_forget)
