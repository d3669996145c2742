"""A quick deterministic evaluator for tests of the search's own bookkeeping, where training has no part."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

from nastk.controllers import PerTrial
from nastk.evaluators import EvaluationFailed, Evaluator, Report
from nastk.executors.inline import InlineExecutor
from nastk.genotype import Genotype
from nastk.objective import Objective
from nastk.spaces import NasBench201Space
from nastk.storages.journal_file import open_journal
from nastk.study.pruning import Pruner
from nastk.study.study import SearchStudy


def accuracy(genotype: Genotype) -> float:
    """Returns a number in 0..1 that depends on the key alone."""
    return random.Random(genotype.key).random()


def cost(genotype: Genotype) -> dict[str, float]:
    """Returns a latency in 0..2 ms that depends on the key alone."""
    return {"latency_ms": 2 * random.Random(genotype.key + "cost").random()}


class Simulated(Evaluator):
    """Scores by key; fails where `fails` says so; keeps the keys that it was asked for."""

    def __init__(self, fails: Callable[[Genotype], bool] = lambda _: False) -> None:
        self.keys: list[str] = []
        self._fails = fails

    def evaluate(self, genotype: Genotype, report: Report) -> dict[str, float]:
        self.keys.append(genotype.key)
        if self._fails(genotype):
            raise EvaluationFailed("loss became nan in epoch 1")
        report(1, accuracy(genotype))
        return {"accuracy": accuracy(genotype)}


def inline(evaluator: Evaluator) -> InlineExecutor:
    """Returns what runs that evaluator in this process."""
    return InlineExecutor(lambda device: evaluator)


def study_in(
    folder: Path,
    controller: str = "RandomSampler",
    objective: Objective | None = None,
    pruner: Pruner | None = None,
) -> SearchStudy:
    """Opens the study of a run folder on the NAS-Bench-201 space."""
    sampler = PerTrial(sampler=f"optuna.samplers.{controller}", seed=3)
    return SearchStudy(open_journal(folder), sampler, NasBench201Space(), objective or Objective(), pruner)
