"""Inside a command that is to be hurt: counts what it does to files, and dies by SIGKILL before a given step."""

from __future__ import annotations

import datetime
import itertools
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from nastk.cli import interrupts as stopping

CHANGES = ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.symlink", "os.link", "os.truncate")


class Counted:
    """Counts the steps that change what lies below `root`: files opened to write, renamed, made, removed, synced.

    Args:
        root: the folder that counts.
        kill_at: the step before which the process kills itself; None to let it live.
        kill_before: a part of a file's name: the process kills itself before the first step on such a file.
        cut: whether a file that was being synced then loses the last half of what was written since.
    """

    def __init__(self, root: Path, kill_at: int | None, cut: bool, kill_before: str | None = None) -> None:
        self._root = str(root)
        self._kill_at = kill_at
        self._kill_before = kill_before
        self._cut = cut
        self.steps = 0
        self._sync = os.fsync
        self._synced: dict[str, int] = {}

    def begin(self) -> None:
        """From here on counts."""
        os.fsync = self._fsync
        sys.addaudithook(self._audit)

    def _audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            path, _, flags = arguments
            if isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR):
                self._step(path)
        elif event in CHANGES:
            self._step(arguments[1] if event in ("os.symlink", "os.link") else arguments[0])

    def _fsync(self, handle: int) -> None:
        path = os.readlink(f"/proc/self/fd/{handle}")  # noqa: PTH115 - of no file system
        self._step(path, handle)
        self._sync(handle)
        if Path(path).is_file():
            self._synced[path] = Path(path).stat().st_size

    def _step(self, path: Any, handle: int | None = None) -> None:
        if not isinstance(path, str | os.PathLike) or not os.fspath(path).startswith(self._root):
            return
        self.steps += 1
        if self.steps == self._kill_at or (self._kill_before and self._kill_before in Path(path).name):
            if self._cut and handle is not None and Path(path).is_file():
                before, size = self._synced.get(str(path), 0), Path(path).stat().st_size
                os.truncate(path, before + max(0, size - before) // 2)
            os.kill(os.getpid(), signal.SIGKILL)


def begin(
    root: Path,
    kill_at: int | None = None,
    cut: bool = False,
    kill_before: str | None = None,
    clock: tuple[float, float] | None = None,
    stopped: float | None = None,
    deaf: float | None = None,
) -> Counted:
    """Prepares the process for its fault, and counts its steps.

    Args:
        root, kill_at, cut, kill_before: see `Counted`.
        clock: seconds that the wall clock is off by in turn: each look at it sees the next of the two.
        stopped: the time in seconds since 1970 at which the wall clock stands.
        deaf: signals interrupt nothing, as in a long computation outside of Python, and the process has so many seconds
            for an orderly end after the first.
    """
    counted = Counted(root, kill_at, cut, kill_before)
    counted.begin()
    if clock is not None:
        looks = itertools.cycle(clock)
        real = time.time
        _set_clock(lambda: real() + next(looks))
    if stopped is not None:
        _set_clock(lambda: stopped)
    if deaf is not None:
        stopping._interrupt = lambda number, frame: None
        stopping.SECONDS = deaf
    return counted


def _set_clock(now: Callable[[], float]) -> None:
    """Replaces Python's wall clock; the monotonic one goes on."""

    class Moved(datetime.datetime):
        @classmethod
        def now(cls, tz: datetime.tzinfo | None = None) -> datetime.datetime:
            return datetime.datetime.fromtimestamp(now(), tz)

    time.time = now
    strftime, localtime = time.strftime, time.localtime
    time.localtime = lambda seconds=None: localtime(now() if seconds is None else seconds)
    time.strftime = lambda form, when=None: strftime(form, time.localtime() if when is None else when)
    for name, module in list(sys.modules.items()):
        if name.startswith(("optuna", "nastk")) and getattr(module, "datetime", None) is datetime.datetime:
            module.datetime = Moved  # type: ignore[attr-defined]
