"""Executors say where candidates are trained: in this process, or side by side in others; what they promise."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from enum import Enum, auto
from types import TracebackType
from typing import Protocol, runtime_checkable

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

    def __enter__(self) -> Executor: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def ready(self, candidates: int) -> None:
        """Starts the workers that so many candidates need; returns when all are idle, so that costs can be timed.

        Raises:
            UserError: the workers cannot be started.
        """
        ...

    def run(self, tasks: Sequence[Task]) -> Iterator[tuple[int, Result]]:
        """Trains candidates, as many at once as `parallel` says.

        Yields:
            the index of a task and its result, in the order in which they end.

        Raises:
            Exception: a bug in the evaluator, or what a report raised other than `Pruned`.
        """
        ...


class Later(Enum):
    """Says that there may be more to train, to who looks at its workers first and then asks again."""

    AT_ONCE = auto()


@runtime_checkable
class Streaming(Executor, Protocol):
    """An executor that can also be handed candidates one by one, so that no worker waits for the slowest of a round.

    Attributes:
        rounds: whether the search is to go on in rounds all the same.
    """

    @property
    def rounds(self) -> bool: ...

    def stream(self, more: Callable[[], Task | Later | None]) -> Iterator[tuple[int, Result]]:
        """Trains candidates until there are no more.

        Args:
            more: is asked whenever a worker has nothing to do; None says that there is nothing to train unless one of
                those under way ends otherwise than expected: it is asked again then.

        Yields:
            as `run`; a task's index says which of those that `more` returned it was.
        """
        ...
