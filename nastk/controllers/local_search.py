"""Local search: try every single change of the best network, move where it helps, start afresh where none does."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from functools import partial
from typing import Any

from optuna.study import Study
from optuna.trial import FrozenTrial

from nastk.controllers.controller import ChoicesController
from nastk.controllers.evolution import fitness
from nastk.controllers.history import Choices, Record, key, running
from nastk.controllers.mutation import neighbours, step_between
from nastk.controllers.options import hashable
from nastk.controllers.replay import Replay
from nastk.controllers.seeds import generator


class Climb:
    """Where the search stands: the network whose neighbours are tried, and which of them were."""

    def __init__(self, start: int) -> None:
        self._start = start
        self._all: list[Record] = []
        self.center: Record | None = None
        self.tried: set[tuple[str, Hashable]] = set()

    def __deepcopy__(self, memo: dict[int, Any]) -> Climb:
        twin = Climb(self._start)
        twin._all, twin.center, twin.tried = list(self._all), self.center, set(self.tried)
        return twin

    @property
    def open(self) -> list[tuple[str, Any]]:
        """Changes of the center that were not tried yet."""
        steps = [] if self.center is None else neighbours(self.center)
        return [(name, option) for name, option in steps if (name, hashable(option)) not in self.tried]

    def learn(self, record: Record) -> None:
        """Moves to the record where it is better than the center, or where there is none; notes it as tried."""
        self._all.append(record)
        if not record.choices:
            return
        if self.center is None:
            if len(self._all) >= self._start:
                usable = self._all if len(self._all) == self._start else [record]
                best = max(usable, key=fitness)
                if fitness(best)[0] >= 0:
                    self._move(best)
        elif fitness(record) > fitness(self.center):
            self._move(record)
        else:
            self._note(record)
        if self.center is not None and not self.open:
            self.center = None

    def _move(self, center: Record) -> None:
        self.center, self.tried = center, set()
        for record in self._all:
            self._note(record)
        better = [other for other in self._all if self._step(other) and fitness(other) > fitness(center)]
        if better:
            self._move(max(better, key=fitness))

    def _note(self, record: Record) -> None:
        step = self._step(record)
        if step is not None:
            self.tried.add((step[0], hashable(step[1])))

    def _step(self, record: Record) -> tuple[str, Any] | None:
        return None if self.center is None else step_between(self.center.choices, record.choices)


class LocalSearch(ChoicesController):
    """Hill climbing with restarts: White, Nolen, Savani, "Exploring the Loss Landscape in Neural Architecture Search",
    UAI 2021.

    Starts from the best of `start` random networks. The neighbours, all networks that differ in one choice, are tried
    in random order; the first that is better takes its place. When none is, it starts afresh from a random network.
    A network that breaks a limit is worse than any that keeps all, and the better the less it breaks them.

    Args:
        seed: of all draws.
        start: how many random networks come before the first climb.
    """

    def __init__(self, seed: int | None = None, start: int = 10) -> None:
        super().__init__(seed)
        self.start = start
        self._replay = Replay(partial(Climb, start))

    def propose(self, study: Study, trial: FrozenTrial, records: list[Record]) -> Choices:
        climb = self._replay.state(records)
        steps = climb.open
        if climb.center is None or not steps:
            return {}
        center: Mapping[str, Any] = climb.center.choices
        under_way = set(running(study, trial))
        generator(self.seed, trial.number, "neighbour").shuffle(steps)
        for name, option in steps:
            proposal = {**center, name: option}
            if key(proposal) not in under_way:
                return proposal
        return {}
