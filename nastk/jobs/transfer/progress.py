"""What a transfer shows while it trains: one bar over the epochs of all its networks, with the best so far."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from types import TracebackType
from typing import Any

from tqdm import tqdm

from nastk.events import EpochEnded, tell


class TransferProgress:
    """Shows epochs of all networks, the training loss, and the best accuracy so far on held-out images."""

    def __init__(self, epochs: int, quiet: bool) -> None:
        """Begins a bar of so many epochs in all; without a terminal, or with `quiet`, there is none."""
        self._base, self._before, self._network = 0, 0, ""
        self._best: tuple[float, str] | None = None
        self._bar = tqdm(total=epochs, unit="epoch", disable=quiet or None, dynamic_ncols=True)

    def __enter__(self) -> TransferProgress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.close()

    def begin(self, key: str, before: int = 0) -> None:
        """Goes on to the next network, `before` epochs of which were shown."""
        self._base, self._before, self._network = self._bar.n, before, key
        self._bar.set_description_str(f"transfer {key[:8]}")

    def skip(self, epochs: int) -> None:
        """Shows epochs as done that were done in another sitting."""
        self._bar.update(epochs)

    def epoch(self, epoch: int, epochs: int, loss: float) -> None:
        """Shows an epoch of the network under way; a `nastk.training.transfer.Progress`."""
        tell(EpochEnded(self._network, epoch, epochs, loss))
        self._move(epoch)
        self._bar.set_postfix_str(f"training loss {loss:.3f}{self._so_far()}")

    def end(self, key: str, epochs: int, metrics: Mapping[str, Any], line: str) -> None:
        """Shows a finished network of so many epochs and says `line`."""
        self._move(epochs)
        accuracy = metrics.get("validation_accuracy")
        if isinstance(accuracy, float) and (self._best is None or accuracy > self._best[0]):
            self._best = accuracy, key
        self._bar.set_postfix_str(self._so_far().removeprefix(", "))
        tqdm.write(line, file=sys.stderr)

    def _move(self, epoch: int) -> None:
        self._bar.update(self._base + max(epoch - self._before, 0) - self._bar.n)

    def _so_far(self) -> str:
        return f", best {self._best[0]:.4f} ({self._best[1][:8]})" if self._best is not None else ""
