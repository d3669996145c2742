"""Controllers: Optuna samplers whose state is a function of seed and finished trials."""

from nastk.controllers.optuna_own import PerTrial

__all__ = ["PerTrial"]
