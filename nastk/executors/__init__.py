"""Executors say where candidates are trained: in this process, or side by side in others; what they promise."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

from nastk.evaluators import EvaluationFailed, Evaluator, Pruned, Report
from nastk.genotype import Genotype

Make = Callable[[str | None], Evaluator]
"""Makes the search's evaluator, for the device of that name, or for the one that it is configured for."""

Result = Mapping[str, float] | EvaluationFailed | Pruned
"""What became of a candidate: its metrics, or why it has none."""


@dataclass(frozen=True)
class Task:
    """A candidate to train.

    Attributes:
        genotype: the candidate.
        begin: returns what its epochs are reported to, in the search's own process; called anew for each attempt.
        here: a block in which it is trained where no other process does: its death would be the search's.
    """

    genotype: Genotype
    begin: Callable[[], Report]
    here: Callable[[], AbstractContextManager[None]] = nullcontext


def made_and_loaded(make: Callable[..., Evaluator], folder: Path | None, *given: Any) -> Evaluator:
    """Makes a worker's evaluator, which loads what the search's own has prepared; None where it has not."""
    evaluator = make(*given)
    if folder is not None:
        evaluator.load(folder)
    return evaluator


class NoTask(Enum):
    """What an executor is given in place of a task.

    Attributes:
        ASK_AGAIN: a proposal needed no training. Hand on first what candidates under way report, then ask again.
        WAIT: there is nothing to train until a candidate under way has ended. Where none is, that is all.
    """

    ASK_AGAIN = auto()
    WAIT = auto()


Next = Callable[[], Task | NoTask]
"""Returns the next candidate to train; called whenever a worker has nothing to do."""


class Executor(Protocol):
    """Anything that trains candidates; used as a context, which ends whatever it started.

    Attributes:
        evaluator: the search's evaluator, made in this process; it knows what candidates are built as.
    """

    @property
    def evaluator(self) -> Evaluator: ...

    @property
    def parallel(self) -> int:
        """How many candidates train at once."""
        ...

    @property
    def rounds(self) -> bool:
        """Whether all candidates of a round are proposed before the first is trained, and told when all have ended."""
        ...

    def __enter__(self) -> Executor: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def prepare(self, folder: Path) -> None:
        """Has the evaluator prepare itself, and those of the workers load what that left; before anything is trained.

        Args:
            folder: see `Evaluator.prepare`.
        """
        ...

    def ready(self, candidates: int) -> None:
        """Starts the workers that so many candidates need; returns when all are idle, so that costs can be timed.

        Args:
            candidates: at least 1.

        Raises:
            UserError: the workers cannot be started.
        """
        ...

    def stream(self, more: Next) -> Iterator[tuple[int, Result]]:
        """Trains candidates, as many at once as `parallel` says, until there are no more; `ready` was called.

        Yields:
            the index of a task, counted from 0 in the order in which `more` returned them, and its result; in the order
            in which they end.

        Raises:
            Exception: a bug in the evaluator, or what a report raised other than `Pruned`.
        """
        ...
