"""What nastk's controllers share: how a proposal becomes answers to Optuna's questions, one name at a time."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from threading import RLock
from typing import Any, Generic, TypeVar

from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from nastk.controllers.history import Choices, History, Record
from nastk.controllers.options import options, position
from nastk.controllers.seeds import fresh_seed, generator
from nastk.errors import UserError

MAX_OPEN = 4096

Proposal = TypeVar("Proposal")


class Controller(BaseSampler, Generic[Proposal]):
    """A sampler of finite choices whose answers are a function of the seed, the trial's number and the finished trials.

    A trial that was killed half way is answered as if it had not been: its proposal is made again, from the same
    random numbers, and no answer depends on how many were given before. So a copy, pickled or deep, has the settings
    alone: it learns from the study what the original had learnt. Threads that share a controller learn and propose one
    at a time.

    Args:
        seed: of all draws; None takes an unpredictable one.

    Raises:
        UserError: when asked for a parameter without finite choices, or for several objectives by one of a single.
    """

    objectives_min, objectives_max = 1, 1

    def __init__(self, seed: int | None = None) -> None:
        self.seed = fresh_seed() if seed is None else seed
        self._history = History()
        self._open: dict[tuple[int, int], Proposal] = {}
        self._lock = RLock()

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name not in ("_open", "_lock")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, _open={}, _lock=RLock())

    @abstractmethod
    def propose(self, study: Study, trial: FrozenTrial, records: list[Record]) -> Proposal:
        """Returns what the trial will try, from the finished trials' records in order of their numbers."""

    @abstractmethod
    def answer(self, proposal: Proposal, trial: FrozenTrial, name: str, among: tuple[Any, ...]) -> Any:
        """Returns one of the options for a choice of that trial."""

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return {}

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        return {}

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        self._close(study, trial)

    def after_trial(self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None) -> None:
        self._close(study, trial)

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        among = options(param_distribution)
        if among is None:
            raise UserError(
                f"controller {self}: parameter {param_name!r} has no finite choices ({param_distribution}); "
                "expected suggest_categorical, suggest_int or suggest_float with a step, or controller=tpe"
            )
        with self._lock:
            return self.answer(self._proposal(study, trial), trial, param_name, among)

    def _proposal(self, study: Study, trial: FrozenTrial) -> Proposal:
        """Returns what the trial tries, the same for all its questions."""
        at = _place(study, trial)
        if at not in self._open:
            self._check_objectives(study)
            if len(self._open) >= MAX_OPEN:  # trials that another process finished are never reported back
                self._open.pop(next(iter(self._open)))
            self._open[at] = self.propose(study, trial, self._history.finished(study, trial))
        return self._open[at]

    def _close(self, study: Study, trial: FrozenTrial) -> None:
        with self._lock:
            self._open.pop(_place(study, trial), None)

    def _check_objectives(self, study: Study) -> None:
        count = len(study.directions)
        if not self.objectives_min <= count <= self.objectives_max:
            raise UserError(
                f"controller {self}: the study has {count} objectives, expected "
                + ("one; for several use controller=pareto_evolution or nsga2" if count > 1 else "at least two")
            )

    def uniform(self, trial: FrozenTrial, name: str, among: tuple[Any, ...]) -> Any:
        """Returns an option at random, the same one whenever that trial is asked for that name."""
        return generator(self.seed, trial.number, "choice", name).choice(among)


def _place(study: Study, trial: FrozenTrial) -> tuple[int, int]:
    """Returns what tells trials apart, those of two studies that share a controller too."""
    return id(study._storage), trial._trial_id


class ChoicesController(Controller[Choices]):
    """A controller that makes its whole proposal at once; what the proposal leaves open is drawn at random."""

    def answer(self, proposal: Choices, trial: FrozenTrial, name: str, among: tuple[Any, ...]) -> Any:
        index = position(among, proposal[name]) if name in proposal else None
        return self.uniform(trial, name, among) if index is None else among[index]
