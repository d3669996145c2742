"""What a run has come to so far, read from its folder as objects of Python."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nastk.errors import UserError, unknown
from nastk.runs.candidate import Candidate
from nastk.runs.contents import read_run
from nastk.runs.front import read_best, read_front
from nastk.runs.trials import TRIALS, read_trials

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FIGURES = ("pareto", "search")


class Results:
    """A run folder's results; what `nastk.Run` has besides its steps."""

    @property
    def folder(self) -> Path:
        """The run folder."""
        raise NotImplementedError

    @property
    def rows(self) -> list[dict[str, Any]]:
        """All finished trials in order, with the columns of trials.csv; a metric that a trial lacks is None.

        Raises:
            UserError: nothing was searched yet, or trials.jsonl is damaged.
        """
        self._searched()
        trials = read_trials(self.folder / TRIALS)
        metrics = sorted({name for trial in trials for name in trial.metrics})
        return [
            {
                **{"number": trial.number, "state": trial.state, "key": trial.key},
                **{name: trial.metrics.get(name) for name in metrics},
                **{"seconds": trial.seconds, "reason": trial.reason},
            }
            for trial in trials
        ]

    @property
    def trials(self) -> Any:
        """`rows` as a pandas.DataFrame.

        Raises:
            UserError: pandas is not installed, or as `rows`.
        """
        try:
            pandas = import_module("pandas")
        except ImportError:
            raise UserError("trials: needs pandas; pip install pandas, or take rows, the same as a list") from None
        return pandas.DataFrame(self.rows)

    @property
    def best(self) -> Candidate:
        """The chosen candidate: `number`, `key`, `genotype`, `metrics`; the first of `pareto`.

        Raises:
            UserError: no candidate was trained yet.
        """
        self._searched()
        found = read_best(self.folder)
        if found is None:
            raise UserError(f"{self.folder}: no candidate was trained yet; search() goes on")
        return found

    @property
    def pareto(self) -> tuple[Candidate, ...]:
        """The candidates that no other beats in all that the search was to improve, the best first."""
        self._searched()
        return read_front(self.folder)

    def figure(self, kind: str = "pareto") -> Figure:
        """Returns a figure of matplotlib's, as the report has it.

        Args:
            kind: "pareto", accuracy against cost with the front; or "search", the best so far, trial by trial.

        Raises:
            UserError: another kind, or nothing was searched yet.
        """
        from nastk.reports.charts import pareto_chart, search_chart
        from nastk.reports.run_config import limits, parse_config

        if kind not in FIGURES:
            raise unknown("figure", kind, FIGURES)
        self._searched()
        run = read_run(self.folder)
        if not run.trained:
            raise UserError(f"{self.folder}: no candidate was trained yet, there is nothing to draw; search() goes on")
        if kind == "search":
            return search_chart(run).figure
        config = {} if run.config_text is None else parse_config(run.config_text, self.folder / "config.yaml")
        return pareto_chart(run, limits(config)).figure

    def _searched(self) -> None:
        if not (self.folder / TRIALS).is_file():
            raise UserError(f"{self.folder}: nothing was searched yet; search() begins")
