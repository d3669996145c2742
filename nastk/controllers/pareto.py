"""Evolution towards a Pareto front: parents are the networks that no other beats, spread along the front."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from optuna.study import Study
from optuna.trial import FrozenTrial

from nastk.controllers.controller import ChoicesController
from nastk.controllers.history import Choices, Key, Record, running
from nastk.controllers.mutation import unseen_mutation
from nastk.controllers.replay import Replay
from nastk.controllers.seeds import generator
from nastk.errors import UserError


class Population:
    """The networks that may be parents: one joins with every trial, and the least useful leaves.

    Args:
        size: how many there are at most.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self.members: list[Record] = []
        self.standing: list[tuple[float, float]] = []

    def __deepcopy__(self, memo: dict[int, Any]) -> Population:
        twin = Population(self._size)
        twin.members, twin.standing = list(self.members), list(self.standing)
        return twin

    def learn(self, record: Record) -> None:
        """Takes in a trial that has values or broke a limit; of too many the worst standing leaves."""
        if record.duplicate or not record.choices or (record.values is None and not record.violation):
            return
        self.members.append(record)
        self.standing = standings(self.members)
        if len(self.members) > self._size:
            worst = min(range(len(self.members)), key=lambda index: self.standing[index])
            del self.members[worst], self.standing[worst]


def standings(records: Sequence[Record]) -> list[tuple[float, float]]:
    """Returns (minus the front it is on, how empty its surroundings there are) of every record, larger is better.

    As in NSGA-II (Deb et al. 2002), and as there any record that keeps the limits stands before all that break them,
    which stand in order of how much they do.
    """
    kept = [index for index, record in enumerate(records) if not record.violation]
    result = [(-math.inf, -record.violation) for record in records]
    if not kept:
        return result
    values = np.array([records[index].values for index in kept], dtype=np.float64)
    fronts = _fronts(values)
    for front in range(int(fronts.max()) + 1):
        on = np.flatnonzero(fronts == front)
        for index, room in zip(on, _crowding(values[on]), strict=True):
            result[kept[index]] = (-float(front), room)
    return result


def _fronts(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Returns the number of the front that each row is on, 0 where no other row is as good in all and better in one."""
    no_worse, better = values[:, None] >= values[None], values[:, None] > values[None]
    above = np.asarray(no_worse.all(-1) & better.any(-1))
    fronts = np.full(len(values), -1)
    front = 0
    while (fronts < 0).any():
        left = fronts < 0
        fronts[left & ~above[left].any(0)] = front
        front += 1
    return fronts


def _crowding(values: np.ndarray[Any, Any]) -> list[float]:
    room = np.zeros(len(values))
    for column in values.T:
        order = np.argsort(column, kind="stable")
        ordered = column[order]
        width = ordered[-1] - ordered[0]
        gaps = np.full(len(values), np.inf)
        if len(values) > 2 and width > 0:
            gaps[1:-1] = (ordered[2:] - ordered[:-2]) / width
        room[order] += gaps
    return [float(value) for value in room]


class ParetoEvolution(ChoicesController):
    """Steady-state evolution for several objectives, with constraints.

    Its first members are drawn at random; then each trial is a child of the population, with one choice changed or the
    choices of two parents mixed, that was not tried before. Two members of the population are compared to be a parent:
    the one on the better front wins, on one front the one with the emptier surroundings.

    Args:
        seed: of all draws.
        population: how many networks may be parents.
        start: how many random networks come first.
        crossover: how often a child has two parents.
    """

    objectives_max = 64

    def __init__(self, seed: int | None = None, population: int = 40, start: int = 20, crossover: float = 0.3) -> None:
        super().__init__(seed)
        if not 1 <= start <= population or not 0 <= crossover <= 1:
            raise UserError(
                f"controller: population={population}, start={start}, crossover={crossover}: expected "
                "a start of 1 to population, and a crossover from 0 to 1"
            )
        self.start, self.crossover = start, crossover
        self._replay = Replay(partial(Population, population))

    def propose(self, study: Study, trial: FrozenTrial, records: list[Record]) -> Choices:
        population = self._replay.state(records)
        if len(population.members) < self.start:
            return {}
        rng = generator(self.seed, trial.number, "parents")
        seen: set[Key] = {record.key for record in records} | set(running(study, trial))
        parent = _parent(population, rng)
        if rng.random() < self.crossover:
            other = _parent(population, rng)
            taken = {
                name: value for name, value in other.choices.items() if name in parent.choices and rng.random() < 0.5
            }
            parent = Record(parent.number, {**parent.choices, **taken}, parent.options, None)
            if parent.key not in seen:
                return parent.choices
        return unseen_mutation(parent, rng, seen)


def _parent(population: Population, rng: random.Random) -> Record:
    one, other = rng.randrange(len(population.members)), rng.randrange(len(population.members))
    better = one if population.standing[one] >= population.standing[other] else other
    return population.members[better]
