"""An evaluator whose second candidate ends the process that trains it."""

from __future__ import annotations

from nastk.evaluators import Report
from nastk.evaluators.training import TrainingEvaluator
from nastk.genotype import Genotype
from tests.ending import end_with_the_second


class Crashing(TrainingEvaluator):
    """Trains, but for that."""

    def evaluate(self, genotype: Genotype, report: Report) -> dict[str, float]:
        """Trains a candidate, or ends the process."""
        end_with_the_second(genotype.key)
        return super().evaluate(genotype, report)
