"""Trains candidates with Ray, on this machine or a cluster; a worker or machine that dies costs what it trained."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any

from nastk.errors import UserError
from nastk.evaluators import EvaluationFailed, Evaluator, Pruned
from nastk.executors import Make, Next, NoTask, Result, made_and_loaded
from nastk.executors.attempts import Attempt, TaskQueue, Waiting, seconds_left, why_stop
from nastk.executors.limits import check_range, check_retries, times, took_too_long
from nastk.executors.ray_cluster import GIGABYTE, Needs, joined, room, trains_here
from nastk.executors.ray_workers import Handle, Workers, death

MOST = 1024
POLL_SECONDS = 1.0

_Running = dict[Any, Attempt[Handle]]  # by what Ray answers with


class RayExecutor:
    """Ray actors, each with an evaluator of its own; the images are put into Ray's shared memory once.

    Args:
        make: makes the evaluator here; there too, unless it can be carried.
        address: of a Ray cluster: "auto", HOST:PORT or ray://HOST:PORT; None starts a Ray on this machine.
        parallel: how many candidates train at once; None: as many as there is room for.
        cpus: cores a candidate, also its number of threads; below 1 several share one.
        gpus: a candidate, above 1 a whole number, below 1 several share one.
        memory_gb: gigabytes (10^9 bytes) of main memory a candidate; it fails where it takes more. None: no limit.
        retries: how often a candidate is trained again whose worker or machine died.
        max_seconds: after which a candidate is given up, whatever it does; None: never.
        rounds: propose `parallel` candidates, train them, then tell all, so that a killed search goes on exactly;
            else the next is proposed as soon as one ends. None: in rounds where this machine trains too, for
            latencies are measured on it while it rests.

    Raises:
        UserError: a number out of range.
    """

    def __init__(
        self,
        make: Make,
        address: str | None = None,
        parallel: int | None = None,
        cpus: float = 1.0,
        gpus: float = 0.0,
        memory_gb: float | None = None,
        retries: int = 1,
        max_seconds: float | None = None,
        rounds: bool | None = None,
    ) -> None:
        check_range("parallel", parallel, 1, MOST)
        check_range("cpus", cpus, 0.001, MOST)
        check_range("gpus", gpus, 0, 64)
        check_range("memory_gb", memory_gb, 0.1, 10_000)
        check_retries(retries, max_seconds)
        if gpus > 1 and gpus != int(gpus):
            raise UserError(f"executor.gpus={gpus}: expected a share of one GPU (0.5) or a whole number")
        if (
            address is not None
            and address != "auto"
            and not address.removeprefix("ray://").rpartition(":")[2].isdigit()
        ):
            raise UserError(f"executor.address={address}: expected auto, HOST:PORT, ray://HOST:PORT or null")
        self._make = make
        self._address = address
        self._asked = parallel
        self._needs = Needs(cpus, gpus, memory_gb)
        self._retries = retries
        self._max_seconds = max_seconds
        self._rounds = rounds
        self._undo = contextlib.ExitStack()
        self._ray: Any = None
        self._workers: Workers | None = None
        self._folder: Path | None = None

    def __enter__(self) -> RayExecutor:
        with contextlib.ExitStack() as undo:
            self._ray = undo.enter_context(joined(self._address))
            _ = self.parallel
            self._undo = undo.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end_workers()
        self._undo.close()

    def _end_workers(self) -> None:
        if self._workers is not None:
            self._workers.close()
            self._workers = None

    @cached_property
    def evaluator(self) -> Evaluator:
        """The search's evaluator in this process."""
        return self._make(None)

    @cached_property
    def parallel(self) -> int:
        """How many candidates train at once.

        Raises:
            UserError: there is no room for them, or for one.
        """
        return room(self._ray, self._needs, self._asked)

    @cached_property
    def rounds(self) -> bool:
        """Whether the search is to go on in rounds."""
        return trains_here(self._ray, self._address) if self._rounds is None else self._rounds

    def prepare(self, folder: Path) -> None:
        """Has the evaluator prepare itself; every worker loads what that left."""
        self.evaluator.prepare(folder)
        self._end_workers()
        self._folder = folder.resolve()

    def ready(self, candidates: int) -> None:
        """Starts the workers that so many candidates need; returns when they wait for one, or the first where it may.

        Raises:
            UserError: they cannot be started.
        """
        if self._workers is None:
            self._workers = Workers(self._ray, self._portable(), self._needs)
        there = len(self._workers.idle) + len(self._workers.starting)
        wanted = min(candidates, self.parallel)
        self._workers.start(max(0, wanted - there))
        self._workers.wait(wanted if self.rounds else 1)

    def stream(self, more: Next) -> Iterator[tuple[int, Result]]:
        """Trains candidates, as many at once as there are workers; yields the index and the result of each.

        Raises:
            Exception: a bug in the evaluator, with the worker's traceback, or what a report raised but `Pruned`.
        """
        workers, queue = self._workers, TaskQueue(more)
        assert workers is not None
        running: _Running = {}
        offered: Waiting | NoTask = NoTask.ASK_AGAIN
        try:
            while True:
                if not isinstance(offered, Waiting):
                    offered = queue.next() if workers.idle or not running else NoTask.WAIT
                if offered is NoTask.WAIT and not running:
                    return
                if isinstance(offered, Waiting) and workers.idle:
                    attempt = Attempt.begun(offered, workers.idle.pop(0), self._max_seconds)
                    running[attempt.worker.actor.train.remote(attempt.waiting.task.genotype)] = attempt
                    offered = NoTask.ASK_AGAIN
                for ref in self._happened(workers, running, at_once=offered is NoTask.ASK_AGAIN):
                    attempt = running.pop(ref)
                    result = self._heard(ref, attempt, running, queue)
                    if result is not None:
                        yield attempt.waiting.index, result
        finally:
            for attempt in running.values():
                workers.end(attempt.worker)

    def _portable(self) -> Callable[[], Evaluator]:
        """Returns what makes the evaluator on another machine."""
        device = self.evaluator.device
        if device is not None and str(device).startswith("cuda") and not self._needs.gpus:
            raise UserError(f"evaluator.device={device} with executor.gpus=0: give executor.gpus=1, or a share of one")
        # Ray shows a worker its own GPUs alone, the first of which is cuda:0 whatever it is called here.
        there = None if device is None else "cuda" if self._needs.gpus else "cpu"
        carried = self.evaluator.carried(there)
        if carried is None:
            return functools.partial(made_and_loaded, self._make, self._folder, there)
        return functools.partial(made_and_loaded, _itself, self._folder, carried)

    def _happened(self, workers: Workers, running: _Running, at_once: bool) -> list[Any]:
        """Waits; returns the attempts that have reported or ended, or whose time is up."""
        everything = [*running, *workers.starting]
        if not everything:
            return []
        left = seconds_left(running.values())
        timeout = 0.0 if at_once else min(POLL_SECONDS, POLL_SECONDS if left is None else left)
        done, rest = self._ray.wait(everything, timeout=timeout)
        if done and rest:
            done += self._ray.wait(rest, num_returns=len(rest), timeout=0)[0]
        for ref in done:
            if ref in workers.starting:
                workers.started(ref)
        workers.check(len(running))
        late = [ref for ref, attempt in running.items() if ref not in done and attempt.is_late]
        return late + [ref for ref in done if ref in running]

    def _heard(self, ref: Any, attempt: Attempt[Handle], running: _Running, queue: TaskQueue) -> Result | None:
        """Acts on what became of an attempt; returns its result, None where it goes on or is to be made again."""
        workers, worker = self._workers, attempt.worker
        assert workers is not None
        if not self._ray.wait([ref], timeout=0)[0]:
            workers.replace(worker)
            return took_too_long(self._max_seconds)
        try:
            kind, value = self._ray.get(ref)
        except self._ray.exceptions.RayTaskError as error:
            raise error.cause from RuntimeError(f"\n{error}")
        except self._ray.exceptions.RayError as error:
            workers.replace(worker)
            number = attempt.waiting.number
            if number <= self._retries:
                queue.again(attempt.waiting)
                return None
            return EvaluationFailed(f"its worker died{times(number)} ({death(error)})")
        if kind == "epoch":
            running[worker.actor.go_on.remote(why_stop(attempt.report, *value))] = attempt
            return None
        if kind == "memory":
            workers.replace(worker)
            return EvaluationFailed(
                f"out of memory: took {value / GIGABYTE:.2f} GB, more than executor.memory_gb={self._needs.memory_gb:g}"
            )
        workers.idle.append(worker)
        if kind == "bug":
            raise value[0] from RuntimeError(f"\n{value[1]}")
        return Pruned(value) if kind == "pruned" else EvaluationFailed(value) if kind == "failed" else dict(value)


def _itself(evaluator: Evaluator) -> Evaluator:
    """Makes nothing: what came along is the evaluator, whose values are checked as it was made."""
    return evaluator
