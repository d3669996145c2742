"""Inside a worker process: makes the evaluator once, trains what it is handed, and ends when the search does."""

from __future__ import annotations

import os
import signal
import threading
from functools import cached_property
from multiprocessing.connection import Connection

import torch
from tqdm import tqdm

from nastk.evaluators import Evaluator, Pruned
from nastk.executors import Make
from nastk.genotype import Genotype


class Worker:
    """What a worker process holds for its life.

    Args:
        make: makes the evaluator.
        device: that it trains on; None for the one that is configured.
        reports: takes (epochs done, accuracy) and answers why to stop, or None; takes None when a candidate has ended.
    """

    def __init__(self, make: Make, device: str | None, reports: Connection) -> None:
        self._make = make
        self._device = device
        self._reports = reports

    @cached_property
    def evaluator(self) -> Evaluator:
        """This process's own: it has read the images itself."""
        return self._make(self._device)

    def evaluate(self, genotype: Genotype) -> dict[str, float]:
        """Trains a candidate; returns its metrics, or raises what the evaluator does."""
        try:
            return self.evaluator.evaluate(genotype, self._report)
        finally:
            self._reports.send(None)

    def _report(self, epoch: int, accuracy: float) -> None:
        self._reports.send((epoch, accuracy))
        why = self._reports.recv()
        if why is not None:
            raise Pruned(why)


_worker: Worker | None = None


def begin(make: Make, device: str | None, reports: Connection, lifeline: Connection) -> None:
    """Prepares the process; it ends when the other end of `lifeline` is closed, by intent or because the search died.

    One thread each: on as many workers as there are cores more of them would only stand in each other's way.
    """
    global _worker  # noqa: PLW0603 - a pool calls functions by name, and the evaluator outlives each call
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes of a terminal; the search decides
    threading.Thread(target=_end_with, args=(lifeline,), daemon=True).start()
    tqdm.set_lock(threading.RLock())  # its own is a semaphore of the system, which a process that is killed leaves
    torch.set_num_threads(1)
    _worker = Worker(make, device, reports)


def prepare() -> None:
    """Makes the evaluator, so that the first candidate finds it made."""
    _ = _here().evaluator


def evaluate(genotype: Genotype) -> dict[str, float]:
    """Trains a candidate in this process."""
    return _here().evaluate(genotype)


def _here() -> Worker:
    if _worker is None:
        raise RuntimeError("not in a worker process")
    return _worker


def _end_with(lifeline: Connection) -> None:
    lifeline.poll(None)  # nothing is ever sent: it is ready when it is closed
    os._exit(1)
