"""An evaluator that does what its script says for a genotype: also die, hang and stumble, as training may."""

from __future__ import annotations

import ctypes
import functools
import multiprocessing
import os
import random
import signal
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from tqdm import tqdm

from nastk.evaluators import EvaluationFailed, Evaluator, Report
from nastk.executors import Executor, Make, NoTask, Result, Task
from nastk.genotype import Genotype
from nastk.spaces import NasBench201Space


class Scripted(Evaluator):
    """Reports three epochs and scores by key, but for the keys in `script`.

    Args:
        folder: where each evaluation leaves a file that is named by key and process.
        script: by key "fail", "bug", "die", "die once", "segfault", "eat", "hang" or "hang once"; how many "deaths at
            start" there are; and "semaphore" for a worker that has one of the system's, and a progress bar.
        device: kept as given; None for the CPU.
    """

    epochs = 3

    def __init__(self, folder: Path, script: Mapping[str, str], device: str | None) -> None:
        self.folder, self.script, self.device = folder, script, device or "cpu"
        if multiprocessing.parent_process() is not None or _in_ray_worker():
            starts = len(list(folder.glob("start-*")))
            (folder / f"start-{os.getpid()}").touch()
            if "semaphore" in script:
                self.lent = multiprocessing.RLock(), tqdm(disable=True)
            if starts < int(script.get("deaths at start", 0)):
                os._exit(7)

    def evaluate(self, genotype: Genotype, report: Report) -> dict[str, float]:
        key = genotype.key
        before = list(self.folder.glob(f"{key}-*"))
        (self.folder / f"{key}-{os.getpid()}").touch()
        for epoch in range(1, self.epochs + 1):
            report(epoch, epoch / 10)
        what = self.script.get(key)
        if what == "fail":
            raise EvaluationFailed("diverged: the loss is nan in epoch 3")
        if what == "bug":
            raise ZeroDivisionError("a bug")
        if what == "die" or (what == "die once" and not before):
            os.kill(os.getpid(), signal.SIGKILL)
        if what == "segfault":
            ctypes.string_at(0)
        if what == "eat":
            eaten = []
            while True:
                eaten.append(b"x" * 10_000_000)
                time.sleep(0.01)
        if what == "hang" or (what == "hang once" and not before):
            time.sleep(600)
        return {"accuracy": random.Random(key).random()}


def _in_ray_worker() -> bool:
    ray = sys.modules.get("ray")
    return ray is not None and ray.is_initialized() and ray.get_runtime_context().get_actor_id() is not None


def made(folder: Path, script: Mapping[str, str]) -> Make:
    """Returns what makes that evaluator, in any process."""
    return functools.partial(Scripted, folder, dict(script))


def genotypes(count: int) -> list[Genotype]:
    """Returns different cells of NAS-Bench-201, always the same."""
    draw, found = random.Random(0), dict[str, Genotype]()
    while len(found) < count:
        genotype = NasBench201Space().genotype(lambda name, options: draw.choice(options))
        found.setdefault(genotype.key, genotype)
    return list(found.values())


def run(executor: Executor, tasks: Sequence[Task]) -> Iterator[tuple[int, Result]]:
    """Trains candidates that are known before; yields the index and the result of each."""
    if tasks:
        executor.ready(len(tasks))
        left = iter(tasks)
        yield from executor.stream(lambda: next(left, NoTask.WAIT))
