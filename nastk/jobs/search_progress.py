"""What a search shows: while it runs a bar on a terminal, a line a trial elsewhere, and at its end its result."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from tqdm import tqdm

from nastk.events import TrialEnded, tell
from nastk.objective import ACCURACY, NOT_TRUSTED, SCORE, SCORE_SECONDS, STEADY, quality
from nastk.runs.trials import Row


class SearchProgress:
    """Shows trained candidates against the budget, the counts of the others, and the best so far."""

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
        shown = row.number, row.state, row.key, dict(row.metrics), row.reason
        tell(TrialEnded(*shown, self._trained, self._trials))
        if self._bar is not None:
            self._bar.n = self._trained
            self._bar.set_postfix_str(self._summary())
            return
        facts = [f"{name} {row.metrics[name]:.4g}" for name in (ACCURACY, SCORE, "latency_ms") if name in row.metrics]
        facts += [NOT_TRUSTED.strip()] * (row.metrics.get(STEADY) == 0 and NOT_TRUSTED not in row.reason)
        line = f"trial {row.number:>4} {row.state:<9} {' '.join(facts)} {row.reason}".rstrip()
        print(f"{line}  [{self._trained}/{self._trials}] {self._summary()}", file=sys.stderr, flush=True)

    def _take(self, row: Row) -> None:
        self._shown.add(row.number)
        if row.state in ("complete", "pruned"):
            self._trained += 1
        if row.state in ("duplicate", "rejected", "failed"):
            self._others += 1
        if row.state == "complete" and {ACCURACY, SCORE} & row.metrics.keys():
            best = self._best
            if best is None or quality(row.metrics) > quality(best.metrics):
                self._best = row

    def _summary(self) -> str:
        others = f", {self._others} not trained" if self._others else ""
        if self._best is None:
            return f"no result yet{others}"
        metrics = self._best.metrics
        latency = f" at {metrics['latency_ms']:.3g} ms" if "latency_ms" in metrics else ""
        best = f"{metrics[ACCURACY]:.4f}" if ACCURACY in metrics else f"score {metrics[SCORE]:.5g}"
        return f"best {best}{latency}{others}"


def result_line(rows: Sequence[Row], trained: int, best: Row, guess: str | None) -> str:
    """Returns what a search came to, in a line.

    Args:
        rows: of all trials.
        trained: how many candidates have a result.
        best: of them.
        guess: what to say in place of it, where it is no better than guessing.
    """
    counts = {state: sum(row.state == state for row in rows) for state in ("duplicate", "rejected", "failed")}
    others = ", ".join(f"{count} {state}" for state, count in counts.items() if count)
    shown = (ACCURACY, SCORE, "latency_ms", "params")
    facts = ", ".join(f"{name} {best.metrics[name]:.4g}" for name in shown if name in best.metrics)
    facts += NOT_TRUSTED if best.metrics.get(STEADY) == 0 else ""
    told = guess or f"best is trial {best.number}: {facts}"
    done = "trained" if ACCURACY in best.metrics else "scored, none trained"
    done = "judged with shared weights, none trained" if {ACCURACY, SCORE_SECONDS} <= best.metrics.keys() else done
    return f"{trained} candidates {done}{f' ({others})' if others else ''}; {told}"
