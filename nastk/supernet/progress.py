"""What the training of shared weights shows: on a terminal a bar with loss and time left, elsewhere some lines."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from types import TracebackType

from tqdm import tqdm

LINES = 20  # at most, where there is no terminal


class Shown:
    """Shows the steps of a training.

    Args:
        epochs: of all.
        steps: of an epoch.
        done: epochs that are done already.
    """

    def __init__(self, epochs: int, steps: int, done: int) -> None:
        self._epochs, self._first = epochs, done
        self._start = time.monotonic()
        total, initial = epochs * steps, done * steps
        self._bar = tqdm(total=total, initial=initial, desc="supernet", unit="step", disable=None, dynamic_ncols=True)

    def __enter__(self) -> Shown:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.close()

    def step(self, loss: float) -> None:
        """Shows a step that is done."""
        self._bar.set_postfix_str(f"loss {loss:.3f}", refresh=False)
        self._bar.update()

    def epoch(self, losses: Sequence[float]) -> None:
        """Shows an epoch that is done."""
        done = len(losses)
        every = -(-self._epochs // LINES)
        if not self._bar.disable or (done % every and done != self._epochs):
            return
        seconds = (time.monotonic() - self._start) / (done - self._first) * (self._epochs - done)
        left = f", about {seconds:.0f} s left" if done < self._epochs else ""
        print(f"supernet epoch {done} of {self._epochs}: loss {losses[-1]:.3f}{left}", file=sys.stderr, flush=True)
