"""One worker process: the standard library's pool of one, so that a death is known to be this candidate's."""

from __future__ import annotations

import atexit
import contextlib
import multiprocessing
import os
import shutil
import signal
import sys
import types
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing import connection, forkserver, resource_tracker
from pathlib import Path
from typing import Final

from nastk.executors import Make, worker
from nastk.genotype import Genotype

# One process imports torch, and the workers, also those that replace a dead one, start from it.
METHOD: Final = "forkserver"
GRACE_SECONDS = 5.0  # for what takes milliseconds
_imported_by = os.getpid()


class Pool:
    """A process that holds an evaluator.

    Args:
        make: makes the evaluator in it.
        device: that it trains on; None for the configured one.

    Raises:
        OSError, EOFError: the system has no room for another process.
    """

    def __init__(self, make: Make, device: str | None) -> None:
        context = multiprocessing.get_context(METHOD)
        self.reports, theirs = context.Pipe()
        lifeline, self._lifeline = context.Pipe(duplex=False)
        given = (make, device, theirs, lifeline)
        self._last: Future[dict[str, float]] | None = None
        self._pool = ProcessPoolExecutor(1, context, initializer=worker.begin, initargs=given)
        with interrupts_deferred(), _without_program():
            before = multiprocessing.active_children()
            self.prepared = self._pool.submit(worker.prepare)
            started = [child for child in multiprocessing.active_children() if child not in before]
        self._process = started[0] if started else None  # it may be dead already
        self._dismissed = False
        theirs.close()
        lifeline.close()

    def submit(self, genotype: Genotype) -> Future[dict[str, float]]:
        """Trains a candidate in the process; it says `None` on `reports` when that has ended, and nothing if it died.

        Raises:
            BrokenProcessPool: the process is dead.
        """
        self._last = self._pool.submit(worker.evaluate, genotype)
        return self._last

    def death(self) -> str:
        """Waits for the process to be gone; returns how it ended."""
        if self._process is None:
            return "at its start"
        # The pool's own thread waits for the process too. The exit code can be read once: the second to read it, at the
        # same moment, would find 255.
        self._pool.shutdown()
        self._process.join()
        code = self._process.exitcode or 0
        if code >= 0:
            return f"exit code {code}"
        name = signal.Signals(-code).name
        return f"{name}, as when memory runs out" if name == "SIGKILL" else name

    def dismiss(self) -> None:
        """Asks the process to end, if it has nothing to do, so that it gives back what the system lent it."""
        if self._process is not None and (self._last is None or self._last.done()):
            self._pool.shutdown(wait=False)
            self._dismissed = True

    def close(self) -> None:
        """Ends the process, whatever it does, and returns when it is gone; one that was dismissed has a moment."""
        if self._process is not None and self._dismissed:
            connection.wait([self._process.sentinel], GRACE_SECONDS)
        self._lifeline.close()
        if self._process is not None:
            self._process.kill()
        self._pool.shutdown(cancel_futures=True)
        self.reports.close()


def close_all(pools: list[Pool], orderly: bool) -> None:
    """Ends all processes and empties the list; `orderly` lets those that are idle end by themselves."""
    for pool in pools if orderly else ():
        pool.dismiss()
    while pools:
        pools.pop().close()


def start_server(preload: Sequence[str]) -> None:
    """Starts the process that workers are forked from, and returns while it imports `preload`."""
    multiprocessing.get_context(METHOD).set_forkserver_preload(list(preload))
    resource_tracker.ensure_running()  # it lets interrupts in again when it starts, so it starts before they are held
    with interrupts_deferred():
        forkserver.ensure_running()


def wait_for_server() -> None:
    """Returns when that process has imported all, or at once on Ctrl-C: a worker is not waited for so readily."""
    nothing = multiprocessing.get_context(METHOD).Process(target=_nothing)
    with _without_program():
        nothing.start()
    nothing.join()


def _nothing() -> None:
    pass


@contextlib.contextmanager
def _without_program() -> Iterator[None]:
    """Keeps workers from importing the program that starts them: a script of the user's would run anew in each."""
    program = sys.modules["__main__"]
    sys.modules["__main__"] = types.ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = program


@atexit.register
def end_server() -> None:
    """Ends that process, if this one has it: by itself it would first import all that it was asked to, for seconds.

    It imports this file too, and outlives a search that is killed: then it takes away the folder of its socket, which
    is the search's to remove.
    """
    server = getattr(forkserver._forkserver, "_forkserver_pid", None)
    if server is None:
        address = getattr(forkserver._forkserver, "_forkserver_address", None)
        if address and os.getpid() == _imported_by:  # not in a worker, which is a fork of it
            shutil.rmtree(Path(address).parent, ignore_errors=True)
        return
    with contextlib.suppress(ChildProcessError):  # in a fork of this process
        if os.waitid(os.P_PID, server, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            os.kill(server, signal.SIGKILL)


@contextlib.contextmanager
def interrupts_deferred() -> Iterator[None]:
    """Puts Ctrl-C and SIGTERM off to the end of the block: a process that is half started could not be ended.

    What is started in the block hears of neither, which a terminal and SLURM send to all: the search decides for them.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
