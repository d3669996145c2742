"""The search as a step: a run folder in, the study and its public files out."""

from __future__ import annotations

import functools
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import optuna
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf
from optuna.samplers import BaseSampler
from optuna.storages import InMemoryStorage

from nastk.cli.interrupts import goes_on_with
from nastk.cli.sweeps import job_folder, sweeping
from nastk.config.build import build, jsonable, load_yaml, plain, settings
from nastk.deploy.cost.sources import MeasuredLatency
from nastk.errors import UserError
from nastk.executors import Executor
from nastk.files import cannot_write
from nastk.jobs.data_record import check_data, record_data, record_skipped
from nastk.jobs.fitting import fitted_search
from nastk.jobs.given import going_on
from nastk.jobs.outlook import check_memory, doubtful_timings, guessed, tell_outlook
from nastk.jobs.parts import make_cost, make_executor, make_latency, make_logger, make_objective, make_space
from nastk.jobs.search_progress import SearchProgress
from nastk.jobs.study import make_storage, named_storage, opened_study
from nastk.jobs.too_slow import TooSlow
from nastk.objective import NOT_TRUSTED, STEADY
from nastk.runs.folder import held, named_run, new_run, record_config, space_name
from nastk.runs.front import write_choice
from nastk.runs.trials import Row, append_row, check_rows, write_rows
from nastk.spaces import Value, replay
from nastk.study.budget import Budget
from nastk.study.deaths import watching
from nastk.study.loop import search
from nastk.study.pruning import Pruner, check_pruner
from nastk.study.study import SearchStudy

PREPARED = "evaluator"  # of the run folder: what the evaluator prepares for all candidates

PARTS = (
    *("space", "controller", "evaluator", "objective", "pruner", "target", "latency", "data", "executor", "storage"),
    *("run", "runs", "seed", "trials", "max_duplicates", "max_rejections", "max_failures"),
)


@dataclass(frozen=True)
class SearchSettings:
    """The settings of a search outside its groups: which run folder, where, and the seed."""

    run: str | None = None
    runs: str = "runs"
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.seed < 2**32:
            raise UserError(f"seed={self.seed}: expected 0 to {2**32 - 1}")


class Searched(NamedTuple):
    """What a search comes to: its run folder, and whether a candidate is better than guessing."""

    folder: Path
    learnt: bool


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
    config = going_on(config, PARTS)
    chosen, budget = settings(SearchSettings, config), settings(Budget, config)
    space, objective = make_space(config), make_objective(config)

    def encode(choices: Mapping[str, Value]) -> list[float]:
        return replay(space, choices).encoding()

    def controller() -> BaseSampler:
        sampler: BaseSampler = build(config.controller, "controller", BaseSampler, seed=chosen.seed, encode=encode)
        return sampler

    SearchStudy(InMemoryStorage(), controller(), space, objective).ask()  # can it serve this space and objective?
    logger = make_logger(config)
    config = fitted_search(config, _named_folder(chosen, config))
    pruner = check_pruner(build(config.pruner, "pruner", Pruner), objective)
    with make_executor(config) as executor:
        cost = make_cost(config, executor.evaluator)
        told = executor.evaluator.data_lines()
        check_memory(config, executor, space)
        storage = make_storage(config)
        opening = storage.connect()
        folder = _folder(chosen, config)
        _say_how_to_go_on(folder)
        with held(folder):
            size = _round_size(folder, config, executor.parallel)
            part = named_storage(folder, _search_part(config, size), storage)
            for line in record_config(folder, part, functools.partial(check_data, folder, executor.evaluator)):
                print(f"nastk: {line}", file=sys.stderr)
            record_data(folder, executor.evaluator)
            executor.prepare(folder / PREPARED)
            with opened_study(folder, part, storage, opening, controller(), space, objective, pruner) as study:
                check_rows(folder, study.rows_with_outcome)
                write_rows(folder, study.rows)
                slow = _begun(config, folder, study, executor, budget, told)
                with (
                    SearchProgress(folder, budget.trials, study.rows) as progress,
                    logger.opened(folder, "search", _logged(part)) as log,
                ):

                    def finished(row: Row) -> None:
                        append_row(folder, row)
                        progress.show(row)
                        slow.watch(row)
                        if row.state == "complete":
                            log({f"search/{name}": value for name, value in row.metrics.items()}, study.trained)

                    try:
                        ended = search(study, executor, cost, budget, finished, progress.show, size, watching(folder))
                        for row in study.ended():
                            finished(row)
                    finally:
                        write_rows(folder, study.rows)
                        record_skipped(folder, executor.evaluator)
                        best = write_choice(folder, study.rows, objective)
    for line in doubtful_timings(study.rows):
        print(f"warning: {line}", file=sys.stderr)
    if best is None:
        raise _untrained(folder, study, ended, slow)
    guess = guessed(executor.evaluator, study.rows, best)
    _tell_result(folder, study, best, guess, ended)
    return Searched(folder, guess is None)


def _begun(
    config: DictConfig, folder: Path, study: SearchStudy, executor: Executor, budget: Budget, told: Sequence[str]
) -> TooSlow:
    """Tells what the images are, what is there and what is to come; returns what watches the trials."""
    sys.stderr.writelines(f"{line}\n" for line in told)
    if study.rows:
        print(f"{folder}: going on after {len(study.rows)} trials, {study.trained} trained", file=sys.stderr)
    tell_outlook(config, executor, study.space, budget.trials - study.trained)
    return TooSlow(config, study.objective, study.rows)


def _untrained(folder: Path, study: SearchStudy, ended: str | None, slow: TooSlow) -> UserError:
    stopped = f"the pruner stopped all {study.trained}; give another run= and pruner=none or a milder one"
    why = f"{ended or stopped}{slow.advice()}"
    return UserError(f"{folder}: no candidate was trained{' to the end' if not ended else ''}; {why}")


def _search_part(config: DictConfig, size: int) -> DictConfig:
    """The pipeline's configuration has the later steps' settings too, which may change from one call to the next."""
    part = OmegaConf.masked_copy(config, [name for name in PARTS if name in config])
    if "parallel" in part.executor:
        part.executor.parallel = size
    if isinstance(make_latency(part), MeasuredLatency):
        part.pop("latency", None)  # what runs of before there was a choice did: they can be gone on with
    return part


def _logged(part: DictConfig) -> dict[str, Any]:
    return {name: value for name, value in jsonable(plain(part)).items() if name != "storage"}


def _round_size(folder: Path, config: DictConfig, parallel: int) -> int:
    """Returns how many candidates make a round: where it is left open, as many as when the run began.

    Proposals depend on it, so that the number of cores of the machine that goes on with a run must not matter.
    """
    path = folder / "config.yaml"
    if config.executor.get("parallel", parallel) is None and path.exists():
        before = load_yaml(path).get("executor") or {}
        size = before.get("parallel")
        if isinstance(size, int) and before.get("_target_") == config.executor.get("_target_"):
            return size
    return parallel


def _named_folder(chosen: SearchSettings, config: DictConfig) -> Path | None:
    """Returns the folder that the settings name, which may hold a run already; None where a new one will be made."""
    if sweeping():
        return job_folder(config)
    return None if chosen.run is None else named_run(chosen.run, chosen.runs)


def _folder(chosen: SearchSettings, config: DictConfig) -> Path:
    if sweeping():
        return _made(job_folder(config))
    if chosen.run is None:
        hydra = HydraConfig.get() if HydraConfig.initialized() else None
        return new_run(chosen.runs, space_name(list(hydra.overrides.task)) if hydra is not None else "search")
    return _made(named_run(chosen.run, chosen.runs))


def _say_how_to_go_on(folder: Path) -> None:
    """A sweep goes on as a whole, a single search with its folder."""
    if not sweeping():
        goes_on_with(run=folder)


def _made(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(folder, error) from None
    if any(folder.iterdir()) and not any((folder / name).exists() for name in ("config.yaml", ".held")):
        raise UserError(f"{folder}: holds files but no run; give another run=, nothing was changed")
    return folder


def _tell_result(folder: Path, study: SearchStudy, best: Row, guess: str | None, ended: str | None) -> None:
    if ended is not None:
        print(f"The search ended early: {ended}")
    counts = {state: sum(row.state == state for row in study.rows) for state in ("duplicate", "rejected", "failed")}
    others = ", ".join(f"{count} {state}" for state, count in counts.items() if count)
    facts = ", ".join(
        f"{name} {best.metrics[name]:.4g}" for name in ("accuracy", "latency_ms", "params") if name in best.metrics
    )
    facts += NOT_TRUSTED if best.metrics.get(STEADY) == 0 else ""
    told = guess or f"best is trial {best.number}: {facts}"
    print(f"{study.trained} candidates trained{f' ({others})' if others else ''}; {told}")
    print(f"Run folder: {folder}")
