"""Regularized evolution: of a few recent networks the best has a child, and the oldest die, however good."""

from __future__ import annotations

from optuna.study import Study
from optuna.trial import FrozenTrial

from nastk.controllers.controller import ChoicesController
from nastk.controllers.history import Choices, Key, Record, running
from nastk.controllers.mutation import unseen_mutation
from nastk.controllers.seeds import generator
from nastk.errors import UserError


class RegularizedEvolution(ChoicesController):
    """Ageing evolution with mutation alone: Real et al., "Regularized Evolution for Image Classifier Architecture
    Search", AAAI 2019.

    The population is the last `population` trials that have a value. Its first members are drawn at random; then each
    trial is the best of a random `sample` of the population with one choice changed. Unlike the paper's, a child is
    not one that was tried before. While fewer trials keep the limits, those that break them least fill the population.

    Args:
        seed: of all draws.
        population: how many of the latest trials may be parents; the paper's 100 is meant for 20,000 trials.
        sample: how many of them compete to be the parent.
    """

    def __init__(self, seed: int | None = None, population: int = 30, sample: int = 10) -> None:
        super().__init__(seed)
        if not 1 <= sample <= population:
            raise UserError(f"controller.sample={sample}: expected 1 to controller.population={population}")
        self.population = population
        self.sample = sample

    def propose(self, study: Study, trial: FrozenTrial, records: list[Record]) -> Choices:
        fresh = [record for record in records if not record.duplicate and record.choices]
        valued = [record for record in fresh if record.score is not None and not record.violation]
        rejected = [record for record in fresh if record.violation]
        if len(valued) + len(rejected) < self.population:
            return {}
        alive = valued[-self.population :]
        missing = self.population - len(alive)
        alive += sorted(rejected, key=lambda record: (record.violation, -record.number))[:missing]
        rng = generator(self.seed, trial.number, "parent")
        parent = max(rng.sample(alive, self.sample), key=fitness)
        seen: set[Key] = {record.key for record in records} | set(running(study, trial))
        return unseen_mutation(parent, rng, seen)


def fitness(record: Record) -> tuple[float, ...]:
    """Returns what orders records from worst to best: those that keep the limits by value, the others by violation."""
    if record.violation:
        return (0.0, -record.violation)
    if record.score is None:
        return (-1.0, 0.0)
    return (1.0, record.score)
