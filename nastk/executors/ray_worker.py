"""Inside a Ray worker: makes the evaluator once, trains what it is handed, and says what happens epoch by epoch."""

from __future__ import annotations

import ctypes
import os
import queue
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from nastk.evaluators import EvaluationFailed, Evaluator, Pruned
from nastk.genotype import Genotype

Event = tuple[str, Any]
"""("epoch", (epochs done, accuracy)), or how it ended: "done" with metrics, "failed" or "pruned" with the reason,
"bug" with (exception, its traceback), "memory" with the bytes in use."""

PR_SET_PDEATHSIG = 1  # linux/prctl.h
WATCH_SECONDS = 0.1
GRACE_SECONDS = 2.0


class Worker:
    """A Ray actor. It trains in a thread of its own, so that each epoch can be answered before the next begins.

    Args:
        make: makes the evaluator.
        threads: of the CPU, for each computation.
        memory: bytes that the process may use, shared memory not counted; None for as many as there are.
    """

    def __init__(self, make: Callable[[], Evaluator], threads: int, memory: int | None) -> None:
        self._make = make
        self._threads = threads
        self._tasks: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._answers: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        end_with_parent()
        # Daemons: Python waits for other threads when it ends, also for one that waits for an answer.
        threading.Thread(target=self._train, daemon=True).start()
        if memory is not None:
            threading.Thread(target=self._watch, args=(memory,), daemon=True).start()

    def prepare(self) -> None:
        """Makes the evaluator, so that the first candidate finds it made."""
        made: Future[None] = Future()
        self._tasks.put(lambda: self._prepare(made))
        made.result()

    def train(self, genotype: Genotype) -> Event:
        """Begins to train a candidate; returns the first that happens."""
        self._tasks.put(lambda: self._evaluate(genotype))
        return self._events.get()

    def go_on(self, why_stop: str | None) -> Event:
        """Answers the last epoch; returns what happens next."""
        self._answers.put(why_stop)
        return self._events.get()

    def _train(self) -> None:
        while True:
            self._tasks.get()()

    def _prepare(self, made: Future[None]) -> None:
        try:
            self._evaluator = self._make()
        except BaseException as error:  # raised where the search is
            made.set_exception(error)
            return
        torch = sys.modules.get("torch")  # an evaluator that trains nothing does without, and starts sooner
        if torch is not None:
            torch.set_num_threads(self._threads)
        made.set_result(None)

    def _evaluate(self, genotype: Genotype) -> None:
        event: Event
        try:
            event = "done", self._evaluator.evaluate(genotype, self._report)
        except EvaluationFailed as failure:
            event = "failed", failure.reason
        except Pruned as stop:
            event = "pruned", str(stop)
        except BaseException as error:  # raised where the search is
            event = "bug", (error, traceback.format_exc())
        self._events.put(event)

    def _report(self, epoch: int, accuracy: float) -> None:
        self._events.put(("epoch", (epoch, accuracy)))
        why = self._answers.get()
        if why is not None:
            raise Pruned(why)

    def _watch(self, limit: int) -> None:
        """Ends the process that uses too much, also where the search is too busy to do so; first it says why."""
        while (used := memory_used()) <= limit:
            time.sleep(WATCH_SECONDS)
        self._events.put(("memory", used))
        time.sleep(GRACE_SECONDS)
        os._exit(1)


def end_with_parent() -> None:
    """Has the system end this process when Ray's own on this machine ends, whatever this one does then."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def memory_used() -> int:
    """Returns the bytes that this process alone occupies; what it shares, as the images of all workers, not counted."""
    _, resident, shared, *_ = Path("/proc/self/statm").read_text().split()
    return (int(resident) - int(shared)) * os.sysconf("SC_PAGE_SIZE")
