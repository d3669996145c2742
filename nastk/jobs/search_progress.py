"""What a search tells: of each trial while it runs, and at its end its result."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from nastk.events import TRAINED, SearchBegan, TrialEnded, tell
from nastk.objective import ACCURACY, NOT_TRUSTED, SCORE, SCORE_SECONDS, STEADY, quality
from nastk.runs.trials import Row


class SearchProgress:
    """Tells of trials, once each: what became of them, and how many candidates are trained.

    Args:
        folder: of the run.
        trials: how many candidates are to be trained.
        rows: of the trials of earlier sittings.
    """

    def __init__(self, folder: Path, trials: int, rows: Sequence[Row]) -> None:
        self._trials = trials
        self._told = {row.number for row in rows}
        states: Counter[str] = Counter(row.state for row in rows)
        self._trained = sum(states[state] for state in TRAINED)
        results = [row for row in rows if row.state == "complete" and {ACCURACY, SCORE} & row.metrics.keys()]
        best = max(results, key=lambda row: quality(row.metrics), default=None)
        known = None if best is None else (best.number, best.key, dict(best.metrics))
        tell(SearchBegan(str(folder), trials, dict(states), known))

    def show(self, row: Row) -> None:
        """Tells of a trial that has its result; once, however often it is given."""
        if row.number in self._told:
            return
        self._told.add(row.number)
        self._trained += row.state in TRAINED
        shown = row.number, row.state, row.key, dict(row.metrics), row.reason
        tell(TrialEnded(*shown, self._trained, self._trials))


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
