"""Trains candidates side by side, each in a worker process; one that dies costs at most the candidate it trained."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from functools import cached_property
from multiprocessing import connection
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType
from typing import Any

import joblib

from nastk.errors import UserError
from nastk.evaluators import EvaluationFailed, Evaluator, Pruned, Report
from nastk.executors import Make, Next, NoTask, Result, made_and_loaded
from nastk.executors.attempts import Attempt, TaskQueue, Waiting, seconds_left, why_stop
from nastk.executors.limits import check_range, check_retries, times, took_too_long
from nastk.executors.pool import Pool, close_all, start_server, wait_for_server

MOST = 256

_Running = dict[Connection, tuple[Attempt[int], Future[dict[str, float]]]]  # by what the worker reports on


class ProcessesExecutor:
    """Persistent worker processes, each with an evaluator and one CPU thread of its own.

    A candidate whose process dies is trained again in a new one; where the last dies too it has failed, and says how.

    Args:
        make: makes the evaluator, here and in the workers; has to pickle.
        parallel: how many candidates train at once. None: on the CPU as many as there are cores (fewer where the
            evaluator is set to several threads), on GPUs `per_gpu` times their number.
        per_gpu: how many candidates share a GPU, where `parallel` is None.
        devices: that the workers take in turn, e.g. ("cuda:0", "cuda:1"); None for the evaluator's own.
        preload: modules that every worker needs: imported once, while the search prepares itself.
        retries: how often a candidate is trained again whose process died.
        max_seconds: after which a candidate is given up, whatever it does; None: never.

    Raises:
        UserError: a number out of range, or no device.
    """

    def __init__(
        self,
        make: Make,
        parallel: int | None = None,
        per_gpu: int = 2,
        devices: tuple[str, ...] | None = None,
        preload: Sequence[str] = (),
        retries: int = 1,
        max_seconds: float | None = None,
    ) -> None:
        check_range("parallel", parallel, 1, MOST)
        check_range("per_gpu", per_gpu, 1, MOST)
        if devices is not None and not devices:
            raise UserError("executor.devices=[]: expected at least one, e.g. [cuda:0], or null")
        check_retries(retries, max_seconds)
        self._retries = retries
        self._max_seconds = max_seconds
        self._make = self._make_worker = make
        self._asked = parallel
        self._per_gpu = per_gpu
        self._devices = devices
        self._preload = (__name__, *preload)
        self._pools: list[Pool] = []

    @property
    def rounds(self) -> bool:
        """This machine trains, so that latencies are measured on it while it rests."""
        return True

    def __enter__(self) -> ProcessesExecutor:
        start_server(self._preload)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        close_all(self._pools, orderly=kind is None)  # else there is no time

    @cached_property
    def evaluator(self) -> Evaluator:
        """The search's evaluator in this process; every worker makes its own."""
        return self._make(None)

    @cached_property
    def parallel(self) -> int:
        """How many candidates train at once.

        Raises:
            UserError: there is no such device here, or the evaluator takes none.
        """
        from nastk.training.device import choose_device

        if self._devices is not None and self.evaluator.device is None:
            raise UserError(f"executor.devices: {type(self.evaluator).__name__} trains on no device; leave it null")
        names = self._devices or [self.evaluator.device or "cpu"]
        gpus = {device for device in map(choose_device, names) if device.type == "cuda"}
        if self._asked is not None:
            return self._asked
        threads = self.evaluator.threads or 1
        return min(MOST, self._per_gpu * len(gpus) if gpus else max(1, joblib.cpu_count() // threads))

    def prepare(self, folder: Path) -> None:
        """Has the evaluator prepare itself; every worker loads what that left."""
        self.evaluator.prepare(folder)
        close_all(self._pools, orderly=True)
        self._make_worker = functools.partial(made_and_loaded, self._make, folder.resolve())

    def ready(self, candidates: int) -> None:
        """Starts the workers that so many candidates need; returns when all wait for one.

        Raises:
            UserError: they cannot be started.
        """
        while len(self._pools) < min(candidates, self.parallel):
            self._pools.append(self._start(len(self._pools)))
        for index in range(len(self._pools)):
            if not self._prepared(index):
                death = self._replace(index)
                if not self._prepared(index):
                    raise self._cannot_start(index, f"it died twice: {death}")

    def stream(self, more: Next) -> Iterator[tuple[int, Result]]:
        """Trains candidates, as many at once as there are workers; yields the index and the result of each.

        Raises:
            Exception: a bug in the evaluator, with the worker's traceback, or what a report raised but `Pruned`.
        """
        queue, idle = TaskQueue(more), list(range(len(self._pools)))
        running: _Running = {}
        while True:
            offered = queue.next() if idle else NoTask.WAIT
            if isinstance(offered, Waiting):
                worker = idle.pop(0)
                submitted = self._submit(worker, offered)
                running[self._pools[worker].reports] = submitted
            elif offered is NoTask.WAIT and not running:
                return
            timeout = seconds_left(attempt for attempt, _ in running.values()) if offered is NoTask.WAIT else 0.0
            for attempt, result in self._happened(running, timeout):
                idle.append(attempt.worker)
                if result is None:
                    queue.again(attempt.waiting)
                else:
                    yield attempt.waiting.index, result

    def _happened(self, running: _Running, timeout: float | None) -> Iterator[tuple[Attempt[int], Result | None]]:
        """Waits and answers reports; yields attempts that have ended with their result, None where it died."""
        ready = connection.wait(list(running), timeout)
        for late in [reports for reports in running if reports not in ready and running[reports][0].is_late]:
            attempt, _ = running.pop(late)
            self._pools[attempt.worker].close()
            self._pools[attempt.worker] = self._start(attempt.worker)
            yield attempt, took_too_long(self._max_seconds)
        for reports in ready:
            assert isinstance(reports, Connection)
            if not _answered(reports, running[reports][0].report):
                attempt, future = running.pop(reports)
                yield attempt, self._result(attempt, future)

    def _prepared(self, index: int) -> bool:
        try:
            self._pools[index].prepared.result()
        except BrokenProcessPool as broken:
            if broken.__cause__ is not None:
                raise
            return False
        return True

    def _start(self, index: int) -> Pool:
        try:
            if not self._pools:
                wait_for_server()
            return Pool(self._make_worker, self._device(index))
        except (OSError, EOFError) as error:
            raise self._cannot_start(index, getattr(error, "strerror", None) or str(error)) from None

    def _device(self, index: int) -> str | None:
        return self._devices[index % len(self._devices)] if self._devices else None

    def _cannot_start(self, index: int, why: str) -> UserError:
        return UserError(
            f"executor.parallel={self.parallel}: worker process {index + 1} cannot be started ({why}); "
            "give a smaller number, or executor=inline"
        )

    def _submit(self, worker: int, waiting: Waiting) -> tuple[Attempt[int], Future[dict[str, float]]]:
        try:
            future = self._pools[worker].submit(waiting.task.genotype)
        except BrokenProcessPool:  # it died while it had nothing to do
            self._replace(worker)
            future = self._pools[worker].submit(waiting.task.genotype)
        return Attempt.begun(waiting, worker, self._max_seconds), future

    def _replace(self, worker: int) -> str:
        """Starts a new process in a dead one's place; returns how that one ended."""
        death = self._pools[worker].death()
        self._pools[worker].close()
        self._pools[worker] = self._start(worker)
        return death

    def _result(self, attempt: Attempt[int], future: Future[dict[str, float]]) -> Result | None:
        """Returns what became of a candidate, or None where it is to be trained again."""
        try:
            return future.result()
        except (EvaluationFailed, Pruned) as stopped:
            return stopped
        except BrokenProcessPool as broken:
            if broken.__cause__ is not None:  # no death: the pool could not read what the worker sent
                raise
            death, number = self._replace(attempt.worker), attempt.waiting.number
            return None if number <= self._retries else EvaluationFailed(f"its process died{times(number)} ({death})")


def _answered(reports: Connection[Any, Any], report: Report) -> bool:
    """Hands a worker's epoch on and answers it; returns False when the candidate has ended, or its process."""
    try:
        epoch = reports.recv()
    except (EOFError, OSError):
        return False
    if epoch is None:
        return False
    why = why_stop(report, *epoch)
    with contextlib.suppress(OSError):  # it has just died, which the next read finds
        reports.send(why)
    return True
