"""The Ray actors that candidates train in: started, replaced when they die, and waited for where there is no room."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from nastk.errors import UserError
from nastk.evaluators import Evaluator
from nastk.executors.ray_cluster import Needs, capacity
from nastk.executors.ray_worker import Worker

START_SECONDS = 300.0  # what is not there by then is not waited for, but taken when it comes
MOST_DEATHS = 3


@dataclass(eq=False)
class Handle:
    """A worker.

    Attributes:
        actor: it.
        prepared: is there when its evaluator is made.
        since: when it was asked for, by the monotonic clock.
    """

    actor: Any
    prepared: Any
    since: float = field(default_factory=time.monotonic)


class Workers:
    """So many workers, some idle, some starting; those that train are the caller's until it gives them back.

    Args:
        ray: the module, joined to a cluster.
        make: makes the evaluator in each; put into the object store once.
        needs: what each takes of its machine.
    """

    def __init__(self, ray: Any, make: Callable[[], Evaluator], needs: Needs) -> None:
        self._ray = ray
        self._make = ray.put(make)
        memory = None if needs.memory_gb is None else needs.options["memory"]
        self._needs = needs
        self._given = max(1, int(needs.cpus)), memory
        self._actor = ray.remote(max_restarts=0, max_task_retries=0, **needs.options)(Worker)
        self.idle: list[Handle] = []
        self.starting: dict[Any, Handle] = {}
        self._deaths = 0

    def start(self, count: int) -> None:
        """Starts so many more."""
        for _ in range(count):
            actor = self._actor.remote(self._make, *self._given)
            handle = Handle(actor, actor.prepare.remote())
            self.starting[handle.prepared] = handle

    def replace(self, handle: Handle) -> None:
        """Ends a worker, whatever it does, and starts another."""
        self.end(handle)
        self.start(1)

    def end(self, handle: Handle) -> None:
        """Ends a worker, whatever it does."""
        self._ray.kill(handle.actor, no_restart=True)

    def wait(self, count: int) -> None:
        """Waits until so many workers are idle; for no more than there is room for, nor longer than starts take.

        Raises:
            UserError: workers die when they start, cannot make the evaluator, or find no room.
        """
        while self.starting and len(self.idle) < count:
            done, _ = self._ray.wait(list(self.starting), timeout=1.0)
            for prepared in done:
                self.started(prepared)
            if not done:
                self.check(0)
                if self.idle and (not self._young() or len(self.idle) >= capacity(self._ray, self._needs)):
                    return

    def started(self, prepared: Any) -> None:
        """Takes note that a start has ended; raises what it raised but a death, which costs another try."""
        handle = self.starting.pop(prepared)
        try:
            self._ray.get(prepared)
        except self._ray.exceptions.RayTaskError as error:
            raise error.cause from RuntimeError(f"\n{error}")
        except self._ray.exceptions.RayError as error:
            self._deaths += 1
            if self._deaths >= MOST_DEATHS:
                why = death(error)
                raise UserError(f"executor=ray: {MOST_DEATHS} workers died when they started ({why})") from None
            self.start(1)
            return
        self._deaths = 0
        self.idle.append(handle)

    def check(self, training: int) -> None:
        """Raises UserError where no worker is left, none trains, and none has come for long."""
        if not self.idle and not training and not self._young():
            raise UserError(f"executor=ray: no worker could be started within {START_SECONDS:.0f} s; is there room?")

    def close(self) -> None:
        """Ends those that are idle or starting."""
        for handle in [*self.idle, *self.starting.values()]:
            self.end(handle)
        self.idle.clear()
        self.starting.clear()

    def _young(self) -> bool:
        return any(time.monotonic() - handle.since < START_SECONDS for handle in self.starting.values())


def death(error: Exception) -> str:
    """Returns how a worker ended, from Ray's lengthy account of it."""
    text = str(error)
    if "node" in text.lower() and ("node has died" in text or "node died" in text or "node was terminated" in text):
        return "its machine is gone"
    if "memory pressure" in text or "OutOfMemory" in type(error).__name__ or "running low on memory" in text:
        return "its machine ran out of memory"
    return "its process was killed, or crashed"
