"""The search as a step: a run folder in, the study and its public files out."""

from __future__ import annotations

import functools
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import optuna
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from nastk.cli.interrupts import goes_on_with
from nastk.cli.sweeps import sweeping
from nastk.config.build import jsonable, load_yaml, plain
from nastk.deploy.cost.sources import MeasuredLatency
from nastk.errors import UserError
from nastk.executors import Executor
from nastk.genotype import Genotype
from nastk.jobs.at_budget import BudgetFit, brought_to_budget
from nastk.jobs.candidate_cost import candidate_cost
from nastk.jobs.data_record import check_data, record_data, record_skipped
from nastk.jobs.fitting import fitted_search
from nastk.jobs.given import going_on, named_folder, recorded_run
from nastk.jobs.latency_source import record_latencies
from nastk.jobs.outlook import check_memory, doubtful_timings, guessed, tell_outlook, typical_candidate
from nastk.jobs.parts import make_executor
from nastk.jobs.precision import in_one_precision
from nastk.jobs.ranked_by import with_score
from nastk.jobs.search_parts import RECORDED_SETTINGS, SearchParts, search_parts
from nastk.jobs.search_progress import SearchProgress, result_line
from nastk.jobs.start_points import start_points
from nastk.jobs.study import named_storage, opened_study
from nastk.jobs.too_slow import TooSlow
from nastk.progress import doing
from nastk.runs.folder import held, made_folder, new_run, record_config, space_name
from nastk.runs.front import write_choice
from nastk.runs.steps import timed_step
from nastk.runs.trials import Row, append_row, check_rows, write_rows
from nastk.study.ahead import CostModel
from nastk.study.deaths import watching
from nastk.study.loop import search
from nastk.study.measuring import measured_at_once
from nastk.study.study import SearchStudy

PREPARED = "evaluator"  # of the run folder: what the evaluator prepares for all candidates


class Searched(NamedTuple):
    """What a search comes to: its run folder, and whether a candidate is better than guessing."""

    folder: Path
    learnt: bool


@dataclass(frozen=True)
class Sitting:
    """One sitting of a search, from the start of the command to its end.

    Attributes:
        config: every setting, those that the search chose too.
        parts: built from it.
        executor: entered.
        cost: measures an untrained candidate; a `BudgetFit` brings it to the limits before.
        folder: the run's, held.
        recorded: what of the configuration the run folder holds.
        size: how many candidates make a round.
    """

    config: DictConfig
    parts: SearchParts
    executor: Executor
    cost: CostModel
    folder: Path
    recorded: DictConfig
    size: int


class Ending(NamedTuple):
    """How a sitting ends: why before the budget was spent, the best candidate, and what was too slow."""

    early: str | None
    best: Row | None
    slow: TooSlow


def run_search(config: DictConfig) -> Path:
    """Searches as `searched` does; returns the run folder."""
    return searched(config).folder


def searched(config: DictConfig) -> Searched:
    """Searches, or goes on with a search that was stopped.

    Raises:
        UserError: a setting is wrong (before the run folder is made), the folder belongs to another configuration,
            or no candidate could be trained.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    before = recorded_run(config)
    config = with_score(going_on(config, RECORDED_SETTINGS, before))
    with doing("choosing what was left open"):
        parts = search_parts(config)
        config, parts = brought_to_budget(config, parts, before)
        asked, config = config, fitted_search(config, parts, before)
        if config.space != asked.space:  # its image size was left to be chosen
            parts = search_parts(config)
        config = in_one_precision(config, parts, before)
    with make_executor(config) as executor:
        cost = candidate_cost(parts, executor.evaluator)
        parts.give_scores(executor.evaluator)
        fit = BudgetFit(cost, parts.objective) if config.at_budget else None
        said = executor.evaluator.data_lines()
        with doing("sizing a typical candidate"):
            typical = typical_candidate(config, parts.space, fit)
            check_memory(executor, typical)
        opening = parts.storage.connect()
        folder = _folder(parts, config)
        if not sweeping():  # a sweep goes on as a whole, a single search with its folder
            goes_on_with(run=folder)
        with held(folder), timed_step(folder, "search"):
            sitting = _recorded(folder, config, parts, executor, fit or cost)
            with opened_study(folder, sitting.recorded, parts, opening) as study:
                check_rows(folder, study.rows_with_outcome)
                write_rows(folder, study.rows)
                with doing("timing a first step"):
                    _tell_begin(sitting, study, said, typical)
                with doing("choosing candidates to start with"):
                    study.ask_first(start_points(folder, parts, executor.evaluator.network_config, study.is_new, fit))
                with doing("preparing what candidates are judged with"):
                    executor.prepare(folder / PREPARED)
                ending = _searched(sitting, study)
    return _told_end(sitting, study, ending)


def _recorded(folder: Path, config: DictConfig, parts: SearchParts, executor: Executor, cost: CostModel) -> Sitting:
    """Writes config.yaml and data.json, or checks that the folder's are the same."""
    path = folder / "config.yaml"
    before = load_yaml(path) if path.exists() else None
    size = _round_size(before, config, executor.parallel)
    recorded = named_storage(folder, _recordable(config, parts, size), parts.storage, before)
    for line in record_config(folder, recorded, functools.partial(check_data, folder, executor.evaluator)):
        print(f"nastk: {line}", file=sys.stderr)
    record_data(folder, executor.evaluator)
    return Sitting(config, parts, executor, cost, folder, recorded, max(size, measured_at_once(cost)))


def _searched(sitting: Sitting, study: SearchStudy) -> Ending:
    """Searches, and keeps the run folder's files in step with the study."""
    folder, parts, executor = sitting.folder, sitting.parts, sitting.executor
    slow = TooSlow(sitting.config, study.objective, study.rows)
    progress = SearchProgress(folder, parts.budget.trials, study.rows)
    with parts.logger.opened(folder, "search", _logged(sitting.recorded)) as log:

        def finished(row: Row) -> None:
            append_row(folder, row)
            progress.show(row)
            slow.watch(row)
            if row.state == "complete":
                log({f"search/{name}": value for name, value in row.metrics.items()}, study.trained)

        try:
            given = (executor, sitting.cost, parts.budget, finished, progress.show, sitting.size, watching(folder))
            early = search(study, *given, sitting.cost.fitted if isinstance(sitting.cost, BudgetFit) else None)
            for row in study.ended():
                finished(row)
        finally:
            write_rows(folder, study.rows)
            record_skipped(folder, executor.evaluator)
            best = write_choice(folder, study.rows, study.objective)
    return Ending(early, best, slow)


def _tell_begin(sitting: Sitting, study: SearchStudy, said: Sequence[str], typical: Genotype) -> None:
    """Tells what the images are, what is there and what is to come, and what latencies are of."""
    record_latencies(sitting.folder, sitting.parts, len(study.rows), sitting.executor.evaluator.cost is not None)
    sys.stderr.writelines(f"{line}\n" for line in said)
    if study.rows:
        print(f"{sitting.folder}: going on after {len(study.rows)} trials, {study.trained} trained", file=sys.stderr)
    tell_outlook(sitting.executor, typical, sitting.parts.budget.trials - study.trained)


def _told_end(sitting: Sitting, study: SearchStudy, ending: Ending) -> Searched:
    """Tells the result; raises UserError where no candidate was trained."""
    for line in doubtful_timings(study.rows):
        print(f"warning: {line}", file=sys.stderr)
    early, best, slow = ending
    if best is None:
        stopped = f"the pruner stopped all {study.trained}; give another run= and pruner=none or a milder one"
        trained = "no candidate was trained" if early else "no candidate was trained to the end"
        raise UserError(f"{sitting.folder}: {trained}; {early or stopped}{slow.advice()}")
    guess = guessed(sitting.executor.evaluator, study.rows, best)
    _tell_result(sitting.folder, study, best, guess, early)
    return Searched(sitting.folder, guess is None)


def _recordable(config: DictConfig, parts: SearchParts, size: int) -> DictConfig:
    """The pipeline's configuration has the later steps' settings too, which may change from one call to the next."""
    recorded = OmegaConf.masked_copy(config, [name for name in RECORDED_SETTINGS if name in config])
    if "parallel" in recorded.executor:
        recorded.executor.parallel = size
    if not config.at_budget:
        recorded.pop("at_budget")  # as in runs of before there was the setting
    if isinstance(parts.latency, MeasuredLatency):
        recorded.pop("latency", None)  # what runs of before there was a choice did: they can be gone on with
    return recorded


def _logged(recorded: DictConfig) -> dict[str, Any]:
    return {name: value for name, value in jsonable(plain(recorded)).items() if name != "storage"}


def _round_size(recorded: DictConfig | None, config: DictConfig, parallel: int) -> int:
    """Returns how many candidates make a round: where it is left open, as many as when the run began.

    Proposals depend on it, so that the number of cores of the machine that goes on with a run must not matter.
    """
    if config.executor.get("parallel", parallel) is None and recorded is not None:
        before = recorded.get("executor") or {}
        size = before.get("parallel")
        if isinstance(size, int) and before.get("_target_") == config.executor.get("_target_"):
            return size
    return parallel


def _folder(parts: SearchParts, config: DictConfig) -> Path:
    named = named_folder(config)
    if named is None:
        hydra = HydraConfig.get() if HydraConfig.initialized() else None
        name = space_name(list(hydra.overrides.task)) if hydra is not None else "search"
        return new_run(parts.settings.runs, name)
    return made_folder(named)


def _tell_result(folder: Path, study: SearchStudy, best: Row, guess: str | None, ended: str | None) -> None:
    if ended is not None:
        print(f"The search ended early: {ended}")
    print(result_line(study.rows, study.trained, best, guess))
    print(f"Run folder: {folder}")
