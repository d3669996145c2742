"""Controllers: Optuna samplers whose state is a function of seed and finished trials."""

from nastk.controllers.evolution import RegularizedEvolution
from nastk.controllers.local_search import LocalSearch
from nastk.controllers.optuna_own import PerTrial
from nastk.controllers.pareto import ParetoEvolution
from nastk.controllers.policy_gradient import PPO, Reinforce
from nastk.controllers.predictor import Predictor

__all__ = ["PPO", "LocalSearch", "ParetoEvolution", "PerTrial", "Predictor", "RegularizedEvolution", "Reinforce"]
