"""Controllers: Optuna samplers whose state is a function of seed and finished trials."""

from nastk.controllers.evolution import RegularizedEvolution
from nastk.controllers.local_search import LocalSearch
from nastk.controllers.optuna_own import PerTrial

__all__ = ["LocalSearch", "PerTrial", "RegularizedEvolution"]
