"""Candidates that end the search's own process: the second time they are failed, so that the search can go on.

A candidate may crash in native code, or use more memory than there is, and going on with the search would come to the
same end for ever. What tells such a death from a kill, which is to change nothing, however often it hits one trial:

- On SIGSEGV, SIGABRT, SIGBUS, SIGFPE and SIGILL Python's faulthandler writes into the trial's file before the process
  is gone. SIGKILL cannot be caught and leaves the file without that.
- Of the kills by SIGKILL, Linux counts those for want of memory: where the count has grown when the trial begins again,
  without a restart of the machine between, this was one. A kill by a program that watches the memory is not known.

A trial that ends in Python, by Ctrl-C too, takes its file away, and with it what was counted.
"""

from __future__ import annotations

import contextlib
import faulthandler
import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

from nastk.errors import UserError
from nastk.evaluators import EvaluationFailed
from nastk.outside import read_bytes

MOST = 2
CRASH = "Fatal Python error: "
EVENT = re.compile(rf"^start (\d+) (\S+)$|^{CRASH}(.+)$", re.MULTILINE)
MEMORY = "out of memory"
_files: list[Path] = []  # that faulthandler writes to now: none or one

Watched = Callable[[int], AbstractContextManager[None]]
"""A block in which the candidate of the trial of that number is measured or trained, in this process."""


def unwatched(number: int) -> AbstractContextManager[None]:
    """Watches nothing."""
    return contextlib.nullcontext()


def watching(folder: Path) -> Watched:
    """Returns what watches the trials of a run folder, which this process holds.

    The block raises EvaluationFailed before it begins, where the process died in it twice already; what Python said of
    it is then in crash-<number>.log.
    """

    @contextlib.contextmanager
    def watched(number: int) -> Iterator[None]:
        path, kept = folder / f".crash-{number}", folder / f"crash-{number}.log"
        count = oom_kills()
        died = deaths(_read(kept) or _read(path), count)
        if len(died) >= MOST:
            with contextlib.suppress(OSError):
                path.replace(kept)
            raise EvaluationFailed(
                f"the search's process died twice while this candidate was under way ({died[-1]}; see {kept.name})"
            )
        if died:
            print(f"nastk: trial {number} ended the last process ({died[-1]}); it is tried once more", file=sys.stderr)
        with _written_to(path, "start {} {}\n".format(*count)):
            yield

    return watched


def deaths(said: str, now: tuple[int, str]) -> list[str]:
    """Returns what a trial's process died of, each time, by its file; kills without a reason are left out.

    Args:
        said: the file's content.
        now: as `oom_kills`.
    """
    found: list[str] = []
    before: tuple[int, str] | None = None
    for match in EVENT.finditer(said):
        count, boot, crash = match.groups()
        if crash is not None:
            found.append(crash)
            before = None
            continue
        if before is not None and _grown(before, (int(count), boot)):
            found.append(MEMORY)
        before = int(count), boot
    if before is not None and _grown(before, now):
        found.append(MEMORY)
    return found


def oom_kills() -> tuple[int, str]:
    """Returns how many processes Linux has killed for want of memory, and since which start of the machine."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        found = re.search(r"^oom_kill (\d+)$", Path("/proc/vmstat").read_text(), re.MULTILINE)
    except OSError:
        return 0, "unknown"
    return (int(found[1]), boot) if found else (0, "unknown")


def _grown(before: tuple[int, str], after: tuple[int, str]) -> bool:
    return before[1] == after[1] and after[0] > before[0]


def _read(path: Path) -> str:
    try:
        return read_bytes(path).decode(errors="replace")
    except UserError:
        return ""


@contextlib.contextmanager
def _written_to(path: Path, start: str) -> Iterator[None]:
    """Has faulthandler write to a file in the block, which is then removed; where there is no room it does without."""
    was_enabled = faulthandler.is_enabled()
    try:
        file = path.open("a")
        file.write(start)
        file.flush()
    except OSError:
        yield
        return
    with file:
        _files.append(path)
        faulthandler.enable(file, all_threads=False)
        try:
            yield
        finally:
            faulthandler.disable()
            if was_enabled and sys.__stderr__ is not None:
                faulthandler.enable(sys.__stderr__)
            _files.remove(path)
            with contextlib.suppress(OSError):
                path.unlink()


def _forget() -> None:
    """In a forked child, whose death is not the search's."""
    if _files:
        faulthandler.disable()


os.register_at_fork(after_in_child=_forget)
