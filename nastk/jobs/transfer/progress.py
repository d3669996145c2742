"""What a transfer tells while it trains: the epochs of all its networks, and the best so far."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from types import TracebackType
from typing import Any

from nastk.events import EpochEnded, TrainingBegan, tell
from nastk.progress import Count


class TransferProgress:
    """Tells the epochs of all networks, the training loss, and the best accuracy so far on held-out images."""

    def __init__(self, epochs: int, quiet: bool) -> None:
        """Begins to count so many epochs in all; `quiet`: nothing is trained, and there is nothing to count."""
        self._base, self._before, self._network = 0, 0, ""
        self._best: tuple[float, str] | None = None
        self._quiet = quiet
        self._count = Count("transfer", epochs, "epoch")

    def __enter__(self) -> TransferProgress:
        if not self._quiet:
            self._count.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._quiet:
            self._count.__exit__(kind, error, trace)

    def begin(self, key: str, epochs: int, before: int = 0) -> None:
        """Goes on to the next network, of so many epochs, `before` of which were told."""
        self._base, self._before, self._network = self._count.done, before, key
        if not self._quiet:
            tell(TrainingBegan("transfer", key, epochs))

    def skip(self, epochs: int) -> None:
        """Tells epochs as done that were done in another sitting."""
        if not self._quiet:
            self._count.skip(epochs)

    def epoch(self, epoch: int, epochs: int, loss: float) -> None:
        """Tells an epoch of the network under way; a `nastk.training.transfer.Progress`."""
        tell(EpochEnded(self._network, epoch, epochs, loss))
        self._move(epoch, now=1)

    def end(self, key: str, epochs: int, metrics: Mapping[str, Any], line: str) -> None:
        """Tells of a finished network of so many epochs and says `line`."""
        accuracy = metrics.get("validation_accuracy")
        if isinstance(accuracy, float) and (self._best is None or accuracy > self._best[0]):
            self._best = accuracy, key
            self._count.note(f"best {accuracy:.4f} on held-out images ({key[:8]})")
        self._move(epochs, now=0)
        print(line, file=sys.stderr, flush=True)

    def _move(self, epoch: int, now: int) -> None:
        """Counts up to an epoch; what is more than those that were done `now` was done in another sitting."""
        more = self._base + max(epoch - self._before, 0) - self._count.done
        if more > 0 and not self._quiet:
            self._count.skip(max(more - now, 0))
            self._count.add(min(more, now))
