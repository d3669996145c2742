"""Makes the parts that a configuration names: space, data, controller, evaluator, objective, target."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

from omegaconf import DictConfig, OmegaConf

from nastk.config.build import build, shipped_spaces
from nastk.data.images import DataSource
from nastk.deploy.cost.sources import Costing, LatencySource, MeasuredLatency
from nastk.deploy.targets import Target
from nastk.deploy.targets.quickest import quickest
from nastk.errors import UserError, unknown
from nastk.evaluators import Evaluator
from nastk.executors import Executor
from nastk.jobs.given import run_settings
from nastk.jobs.loggers import Logger, NoLogger
from nastk.objective import AUTO, BEST, INT8_ACCURACY, Objective
from nastk.runs.folder import existing_run
from nastk.spaces import Space
from nastk.spaces.resolutions import resolutions
from nastk.storages import Storage
from nastk.storages.journal import JournalFile

AUTOMATIC = ("batch", "epochs", "learning_rate")
"""Settings of a training that are chosen by its images where they are null."""


def without_automatic(node: DictConfig) -> tuple[DictConfig, tuple[str, ...]]:
    """Returns a training's settings without those that are left to be chosen, and the names of these."""
    left = tuple(name for name in AUTOMATIC if isinstance(node, DictConfig) and node.get(name, "") is None)
    return (OmegaConf.masked_copy(node, [str(name) for name in node if name not in left]) if left else node), left


def shares_weights(config: DictConfig) -> bool:
    """Says whether a search's candidates inherit shared weights, and are not trained."""
    evaluator = config.get("evaluator")
    target = str(evaluator.get("_target_")) if isinstance(evaluator, DictConfig) else ""
    return target.rpartition(".")[2] == "SupernetEvaluator"


def make_space(config: DictConfig) -> Space:
    """Returns the search space; without one, raises UserError with those there are."""
    if OmegaConf.select(config, "space") is None:
        names = ", ".join(shipped_spaces())
        run = config.get("run")
        hint = f"; run={run!r} is no run yet that could go on" if run is not None else ""
        raise UserError(f"no search space: give +space=NAME, e.g. +space=nasnet; there are: {names}{hint}")
    space: Space = build(config.space, "space", Space)
    return space


def make_data(config: DictConfig) -> Any:
    """Returns the data source of a configuration."""
    return build(config.data, "data", DataSource)


def make_objective(config: DictConfig) -> Objective:
    """Returns the objective of a configuration."""
    objective: Objective = build(config.objective, "objective", Objective)
    return objective


def make_target(config: DictConfig) -> Target:
    """Returns the target of a configuration, measuring candidates in the objective's precision where it names one.

    The "best" is no precision of a target: see `make_costing`.
    """
    target: Target = build(config.get("target"), "target", Target)
    objective = config.get("objective")
    precision = None if objective is None else objective.get("precision")
    if precision in (None, AUTO, BEST) or precision == getattr(target, "precision", precision):
        return target
    if precision not in target.files:
        raise unknown(f"precision of target {target.name}: objective.precision", precision, target.files)
    return dataclasses.replace(target, precision=precision)  # type: ignore[type-var]


def make_evaluator(config: DictConfig, device: str | None = None) -> Evaluator:
    """Returns the evaluator; it gets the data source where it takes one, and trains on `device` where one is given.

    What the objective wants measured on the trained candidate's files, it gets the target for.
    """
    data = make_data(config) if "data" in config else None
    chosen, _ = without_automatic(config.evaluator)  # where no search has chosen: the class's defaults
    node = chosen if device is None else OmegaConf.merge(chosen, {"device": device})
    given: dict[str, Any] = {} if config.get("space") is None else {"resolutions": resolutions(make_space(config))}
    if config.get("space") is not None and shares_weights(config):
        given["space"] = make_space(config)
    if config.get("objective") is not None and INT8_ACCURACY in make_objective(config).names:
        given["int8_target"] = make_target(config)
    evaluator: Evaluator = build(node, "evaluator", Evaluator, data=data, seed=config.seed, **given)
    return evaluator


def make_executor(config: DictConfig) -> Executor:
    """Returns what candidates are trained in; it makes the evaluator, here and wherever else it needs one."""
    module = str(config.evaluator.get("_target_")).rpartition(".")[0]
    # What every worker imports to be one; whether the evaluator's name is allowed is checked where it is built.
    preload = ["nastk.cli.launch", *([module] if module.startswith("nastk.") else [])]
    make = functools.partial(make_evaluator, config)
    executor: Executor = build(config.executor, "executor", Executor, make=make, preload=preload)
    return executor


def make_logger(config: DictConfig) -> Logger:
    """Returns where numbers are logged besides the run folder's files."""
    if config.get("logger") is None:
        return NoLogger()
    logger: Logger = build(config.logger, "logger", Logger)
    return logger


def make_latency(config: DictConfig) -> LatencySource:
    """Returns where latencies come from; runs of before there was a choice have measured them."""
    if config.get("latency") is None:
        return MeasuredLatency()
    source: LatencySource = build(config.latency, "latency", LatencySource)
    return source


def make_costing(config: DictConfig) -> Costing:
    """Returns what says the cost of an untrained network: the target, or what predicts it for another device."""
    precision = (config.get("objective") or {}).get("precision")
    return costing_in(precision, make_latency(config), make_target(config))


def costing_in(precision: str | None, latency: LatencySource, target: Target) -> Costing:
    """Returns what says the cost in a precision of an objective; raises UserError where "best" cannot be measured."""
    if precision != BEST:
        return latency.costing(target)
    if not isinstance(latency, MeasuredLatency):
        raise UserError(f"objective.precision={BEST}: expected latency=measured, a table and a predictor are of one")
    return quickest(target)


def make_storage(config: DictConfig) -> Storage:
    """Returns where the study is kept; runs of before there was a choice keep it in their folder."""
    if config.get("storage") is None:
        return JournalFile()
    storage: Storage = build(config.storage, "storage", Storage)
    return storage


def run_config(config: DictConfig) -> tuple[Any, DictConfig]:
    """Returns the folder of the run that a later step works on, and its settings, see `run_settings`.

    Raises:
        UserError: there is no such run, or its config.yaml is not that of a search.
    """
    folder = existing_run(config.run, config.runs)
    path = folder / "config.yaml"
    searched = run_settings(folder, config)
    for name in ("seed", "evaluator"):
        if name not in searched:
            raise UserError(f"{path}: has no {name}; it is cut short or damaged, put back a copy, or search anew")
    return folder, searched
