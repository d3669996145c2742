"""What a search shows while it runs: a bar with the best so far on a terminal, a line a trial elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from tqdm import tqdm

from nastk.objective import NOT_TRUSTED, STEADY
from nastk.runs.trials import Row


class SearchProgress:
    """Shows trained candidates against the budget, the counts of the others, and the best accuracy so far."""

    def __init__(self, folder: Path, trials: int, rows: Sequence[Row]) -> None:
        self._trials = trials
        self._best: Row | None = None
        self._trained = 0
        self._others = 0
        self._shown: set[int] = set()
        self._bar: tqdm | None = None
        for row in rows:
            self._take(row)
        if sys.stderr.isatty():
            done = self._trained
            self._bar = tqdm(total=trials, initial=done, desc=folder.name, unit="cell", dynamic_ncols=True)
            self._bar.set_postfix_str(self._summary())

    def __enter__(self) -> SearchProgress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.close()

    def show(self, row: Row) -> None:
        """Shows a trial that has its result; once, however often it is given."""
        if row.number in self._shown:
            return
        self._take(row)
        if self._bar is not None:
            self._bar.n = self._trained
            self._bar.set_postfix_str(self._summary())
            return
        facts = [f"{name} {row.metrics[name]:.4g}" for name in ("accuracy", "latency_ms") if name in row.metrics]
        facts += [NOT_TRUSTED.strip()] * (row.metrics.get(STEADY) == 0 and NOT_TRUSTED not in row.reason)
        line = f"trial {row.number:>4} {row.state:<9} {' '.join(facts)} {row.reason}".rstrip()
        print(f"{line}  [{self._trained}/{self._trials}] {self._summary()}", file=sys.stderr, flush=True)

    def _take(self, row: Row) -> None:
        self._shown.add(row.number)
        if row.state in ("complete", "pruned"):
            self._trained += 1
        if row.state in ("duplicate", "rejected", "failed"):
            self._others += 1
        if row.state == "complete" and "accuracy" in row.metrics:
            best = self._best
            if best is None or row.metrics["accuracy"] > best.metrics["accuracy"]:
                self._best = row

    def _summary(self) -> str:
        others = f", {self._others} not trained" if self._others else ""
        if self._best is None:
            return f"no result yet{others}"
        metrics = self._best.metrics
        latency = f" at {metrics['latency_ms']:.3g} ms" if "latency_ms" in metrics else ""
        return f"best {metrics['accuracy']:.4f}{latency}{others}"
