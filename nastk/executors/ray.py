"""Trains candidates with Ray, on this machine or a cluster; a worker or machine that dies costs what it trained."""

from __future__ import annotations

import contextlib
import functools
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import TracebackType
from typing import Any

from nastk.errors import UserError
from nastk.evaluators import EvaluationFailed, Evaluator, Pruned, Report
from nastk.executors import Later, Make, Result, Task
from nastk.executors.limits import check_patience, check_range, times, took_too_long
from nastk.executors.ray_cluster import GIGABYTE, Needs, joined, room, trains_here
from nastk.executors.ray_workers import Handle, Workers, death

MOST = 1024
POLL_SECONDS = 1.0


@dataclass(frozen=True)
class _Waiting:
    """A candidate to be trained: the index of its task, and which attempt it will be."""

    index: int
    task: Task
    number: int = 1


@dataclass(frozen=True)
class _Attempt:
    """A candidate in training: where, what it reports to, and when it is given up, by the monotonic clock."""

    waiting: _Waiting
    worker: Handle
    report: Report
    deadline: float | None


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
        check_patience(retries, max_seconds)
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

    def __enter__(self) -> RayExecutor:
        with contextlib.ExitStack() as undo:
            self._ray = undo.enter_context(joined(self._address))
            _ = self.parallel
            self._undo = undo.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._workers is not None:
            self._workers.close()
            self._workers = None
        self._undo.close()

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

    def run(self, tasks: Sequence[Task]) -> Iterator[tuple[int, Result]]:
        """Trains candidates, as many at once as there are workers; yields the index and the result of each.

        Raises:
            Exception: a bug in the evaluator, with the worker's traceback, or what a report raised but `Pruned`.
        """
        if tasks:
            self.ready(len(tasks))
            left = iter(tasks)
            yield from self.stream(lambda: next(left, None))

    def stream(self, more: Callable[[], Task | Later | None]) -> Iterator[tuple[int, Result]]:
        """Trains what `more` returns for as long as it does; `ready` was called. See `Streaming`."""
        workers = self._workers
        assert workers is not None
        waiting: deque[_Waiting] = deque()
        running: dict[Any, _Attempt] = {}
        taken = 0
        try:
            while True:
                offered = more() if not waiting and (workers.idle or not running) else None
                if isinstance(offered, Task):
                    waiting.append(_Waiting(taken, offered))
                    taken += 1
                if not waiting and not running and offered is None:
                    return
                handed = bool(waiting and workers.idle)
                if handed:
                    worker = workers.idle.pop(0)
                    begun = self._begin(waiting.popleft(), worker)
                    running[worker.actor.train.remote(begun.waiting.task.genotype)] = begun
                for ref in self._happened(workers, running, at_once=offered is Later.AT_ONCE or handed):
                    attempt = running.pop(ref)
                    result = self._heard(ref, attempt, running)
                    if isinstance(result, _Waiting):
                        waiting.appendleft(result)
                    elif result is not None:
                        yield attempt.waiting.index, result
        finally:
            for attempt in running.values():
                workers.end(attempt.worker)

    def _portable(self) -> Callable[[], Evaluator]:
        """Returns what makes the evaluator on another machine."""
        device = getattr(self.evaluator, "device", None)
        if device is not None and str(device).startswith("cuda") and not self._needs.gpus:
            raise UserError(f"evaluator.device={device} with executor.gpus=0: give executor.gpus=1, or a share of one")
        # Ray shows a worker its own GPUs alone, the first of which is cuda:0 whatever it is called here.
        there = None if device is None else "cuda" if self._needs.gpus else "cpu"
        carried = getattr(self.evaluator, "carried", None)
        if carried is None:
            return functools.partial(self._make, there)
        return functools.partial(_itself, carried(there))

    def _begin(self, waiting: _Waiting, worker: Handle) -> _Attempt:
        deadline = None if self._max_seconds is None else time.monotonic() + self._max_seconds
        return _Attempt(waiting, worker, waiting.task.begin(), deadline)

    def _happened(self, workers: Workers, running: dict[Any, _Attempt], at_once: bool) -> list[Any]:
        """Waits; returns the attempts of which there is news, or whose time is up."""
        everything = [*running, *workers.starting]
        if not everything:
            return []
        now = time.monotonic()
        nearest = min((a.deadline - now for a in running.values() if a.deadline is not None), default=POLL_SECONDS)
        timeout = 0.0 if at_once else max(0.0, min(POLL_SECONDS, nearest))
        news, rest = self._ray.wait(everything, timeout=timeout)
        if news and rest:
            news += self._ray.wait(rest, num_returns=len(rest), timeout=0)[0]
        for ref in news:
            if ref in workers.starting:
                workers.started(ref)
        workers.check(len(running))
        now, known = time.monotonic(), set(news)
        late = [ref for ref, a in running.items() if ref not in known and a.deadline is not None and a.deadline <= now]
        return late + [ref for ref in news if ref in running]

    def _heard(self, ref: Any, attempt: _Attempt, running: dict[Any, _Attempt]) -> Result | _Waiting | None:
        """Acts on news of an attempt; returns its result, another attempt to make, or None where it goes on."""
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
            return self._after_death(attempt, death(error))
        if kind == "epoch":
            running[worker.actor.go_on.remote(_answer(attempt.report, *value))] = attempt
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

    def _after_death(self, attempt: _Attempt, why: str) -> Result | _Waiting:
        waiting = attempt.waiting
        if waiting.number <= self._retries:
            return _Waiting(waiting.index, waiting.task, waiting.number + 1)
        return EvaluationFailed(f"its worker died{times(waiting.number)} ({why})")


def _itself(evaluator: Evaluator) -> Evaluator:
    """Makes nothing: what came along is the evaluator, whose values are checked as it was made."""
    return evaluator


def _answer(report: Report, epoch: int, accuracy: float) -> str | None:
    """Hands an epoch on; returns why to stop, or None."""
    try:
        report(epoch, accuracy)
    except Pruned as stop:
        return str(stop)
    return None
