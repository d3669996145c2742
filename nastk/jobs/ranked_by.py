"""What a search ranks its candidates by: the accuracy, or where none is trained the score."""

from __future__ import annotations

from omegaconf import DictConfig, OmegaConf

from nastk.config.build import load_yaml, shipped
from nastk.data.subsets import draw_parts
from nastk.errors import UserError
from nastk.evaluators.zero_cost import ZeroCostEvaluator
from nastk.jobs.candidate_input import with_values
from nastk.jobs.parts import make_data, make_objective, shares_weights
from nastk.objective import ACCURACY, INT8_ACCURACY, SCORE, TRAINED, Objective
from nastk.training.fitted import SEARCH, fitted_batch, fitted_epochs, fitted_rate


def only_scores(config: DictConfig) -> bool:
    """Says whether a search's evaluator trains no candidate."""
    evaluator = config.get("evaluator")
    target = str(evaluator.get("_target_")) if isinstance(evaluator, DictConfig) else ""
    return target.rpartition(".")[2] == ZeroCostEvaluator.__name__


def with_score(config: DictConfig) -> DictConfig:
    """Returns a search's configuration whose objective maximizes the score in place of the accuracy, where none trains.

    Raises:
        UserError: the objective wants what only a trained candidate has, or a score of an evaluator that trains.
    """
    objective = make_objective(config)
    if shares_weights(config):
        _check_judged(config, objective)
    if not only_scores(config):
        trains = str(config.evaluator.get("_target_")).startswith("nastk.") if config.get("evaluator") else False
        if trains and SCORE in objective.names:
            raise UserError("objective: wants score, which evaluator=zero_cost gives and no other; expected accuracy")
        return config
    maximized = [SCORE if name == ACCURACY else name for name in objective.maximize]
    for name in (*maximized, *objective.minimize):
        if name in TRAINED:
            raise UserError(
                f"objective: wants {name}, which only trained candidates have; evaluator=zero_cost has none"
            )
    return config if maximized == list(objective.maximize) else with_values(config, {"objective.maximize": maximized})


def _check_judged(config: DictConfig, objective: Objective) -> None:
    """Raises UserError for what candidates with shared weights do not have: int8 accuracy, epochs to be stopped in."""
    if INT8_ACCURACY in objective.names:
        raise UserError(
            f"objective: wants {INT8_ACCURACY}, which only trained candidates have; evaluator=supernet has none"
        )
    pruner = config.get("pruner")
    if isinstance(pruner, DictConfig) and not str(pruner.get("_target_")).endswith(".NopPruner"):
        raise UserError("pruner: stops trainings, and evaluator=supernet trains no candidate; expected pruner=none")


def trained_instead(searched: DictConfig) -> DictConfig:
    """Returns the configuration of a search that trained no candidate, by the usual recipe, as if it had."""
    evaluator, scored = load_yaml(shipped("conf") / "evaluator" / "training.yaml"), searched.evaluator
    data = make_data(searched)
    images = len(draw_parts(data, searched.seed).train)
    batch = fitted_batch(images, data.size)
    evaluator.update(
        network=scored.network,
        device=scored.get("device", "auto"),
        threads=scored.get("threads"),
        batch=batch,
        epochs=fitted_epochs(images, batch, data.size, SEARCH),
        learning_rate=fitted_rate(batch, SEARCH, evaluator.optimizer),
    )
    changed = OmegaConf.masked_copy(searched, list(searched))
    changed.evaluator = evaluator
    return changed
