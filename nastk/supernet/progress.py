"""What the training of shared weights tells: its steps, and each epoch with its loss."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType

from nastk.events import EpochEnded, TrainingBegan, tell
from nastk.progress import Count

TASK = "supernet"


class Shown:
    """Tells of the steps of a training.

    Args:
        epochs: of all.
        steps: of an epoch.
        done: epochs that are done already.
    """

    def __init__(self, epochs: int, steps: int, done: int) -> None:
        self._epochs = epochs
        self._count = Count(TASK, epochs * steps, "step", done * steps)

    def __enter__(self) -> Shown:
        tell(TrainingBegan(TASK, "", self._epochs))
        self._count.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._count.__exit__(kind, error, trace)

    def step(self, loss: float) -> None:
        """Tells of a step that is done."""
        self._count.note(f"loss {loss:.3f}")
        self._count.add()

    def epoch(self, losses: Sequence[float]) -> None:
        """Tells of an epoch that is done."""
        tell(EpochEnded("", len(losses), self._epochs, losses[-1], TASK))
