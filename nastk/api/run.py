"""A run in Python: `nastk.Run("mine").search(...)`, then `transfer`, `export`, `bench`, `report`, `predict`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from nastk.api.further import Further
from nastk.api.html import genotype_html, run_html
from nastk.api.loaded import Loaded, Prediction, Predictions, load
from nastk.genotype.genotype import show_with

show_with(genotype_html)


class Run(Further):
    """A search and what comes of it, in a folder: a new one, or one that is there and goes on.

    Each step is the command of the same name, with its settings as arguments: by the command line's names, or the last
    part of one where that is clear (`root` for `data.root`, `max_latency_ms` for the objective's), and with mappings
    for groups (`training={"epochs": 40}`). Nothing is printed unless `show=True`; what goes wrong is a
    `nastk.UserError` with the command's one line, and nothing ends the process.

    Args:
        run: name of the folder below `runs`, or its path; None for a new one, named by time and space.
        runs: where run folders lie.
        show: print what the commands print.
        progress: called with a `nastk.TrialEnded`, `nastk.EpochEnded` or `nastk.Said` at a time; what it raises ends
            the step, which goes on when it is called again.

    Attributes:
        said: the lines of the last step, warnings among them, where they were not shown.

    Raises:
        UserError: the name cannot be one.
    """

    def search(self, *, images: Any = None, overrides: str | Sequence[str] = (), **settings: Any) -> Run:
        """Searches, or goes on with the search of the folder, whose settings need not be given again.

        Args:
            images: a folder with a folder of images for each class, an .npz file or a known set such as "digits"; or
                arrays, see `nastk.api.arrays.array_set`, which are kept in the run's folder as images.npz.
            overrides: further settings as words of the command line, "data.subset=400 seed=1".
            settings: `space="mobile"`, `trials=20`, `max_latency_ms=3`, ...; all are in conf/search.yaml.

        Returns:
            this run.

        Raises:
            UserError: a setting is wrong, the folder holds a run of other settings, or no candidate could be trained.
        """
        from nastk.jobs.search import searched

        with self._images(images, settings) as given:
            self._folder = self._step("search", lambda config: searched(config).folder, given, overrides)
        return self

    def pipeline(self, *, images: Any = None, overrides: str | Sequence[str] = (), **settings: Any) -> Run:
        """Does all steps, one after another; what is trained or exported is not made again.

        Args:
            images, overrides: as in `search`.
            settings: of all steps, conf/pipeline.yaml; a mistake in any is found before the first one starts.

        Returns:
            this run.

        Raises:
            UserError: a step's.
        """
        from nastk.jobs.pipeline import run_pipeline

        with self._images(images, settings) as given:
            self._folder = self._step("pipeline", lambda config: run_pipeline(config).folder, given, overrides)
        return self

    def transfer(self, *, overrides: str | Sequence[str] = (), **settings: Any) -> list[Path]:
        """Trains the best candidates and known networks of the same budget in full; returns their folders, best first.

        Args:
            overrides: as in `search`.
            settings: `training={"epochs": 40}`, `top=3`, `baselines=[]`, ...; all are in conf/transfer.yaml.

        Raises:
            UserError: nothing was searched yet, a setting is wrong, or nothing meets the limits.
        """
        from nastk.jobs.transfer.transfer import run_transfer

        return self._step("transfer", run_transfer, settings, overrides, begun=True)

    def export(self, *, overrides: str | Sequence[str] = (), **settings: Any) -> list[Path]:
        """Quantizes, writes, checks and times trained networks; returns the folders of their files, the best first.

        Args:
            overrides: as in `search`.
            settings: `target="arm"`, `also=["cpu"]`, `max_accuracy_drop=0.01`, ...; all are in conf/export.yaml.

        Raises:
            UserError: nothing was trained yet, or a setting is wrong.
        """
        from nastk.jobs.export import run_export

        return self._step("export", run_export, settings, overrides, begun=True)

    def bench(self, *, overrides: str | Sequence[str] = (), **settings: Any) -> list[dict[str, Any]]:
        """Times the exported files on this machine; returns the entries of bench.json.

        Args:
            overrides: as in `search`.
            settings: `batch=[1, 8]`, `threads=[1, 0]`, ...; all are in conf/bench.yaml.

        Raises:
            UserError: nothing was exported yet, or a setting is wrong.
        """
        from nastk.jobs.bench import run_bench

        def entries(config: DictConfig) -> list[dict[str, Any]]:
            return [dict(entry) for entry in run_bench(config).record.measurements]

        return self._step("bench", entries, settings, overrides, begun=True)

    def report(self) -> Path:
        """Draws the page of what the folder holds so far; returns its path.

        Raises:
            UserError: nothing was searched yet, or a file is damaged.
        """
        from nastk.jobs.report import run_report

        return self._step("report", run_report, {}, (), begun=True)

    def load(self, precision: str | None = None) -> Loaded:
        """Returns the exported network to ship, as `nastk.load`."""
        return load(self.folder, precision)

    def predict(self, images: Any, precision: str | None = None) -> Prediction | Predictions:
        """Says what images show by the exported network to ship, see `nastk.Loaded.predict`."""
        return self.load(precision).predict(images)

    def __repr__(self) -> str:
        return f"nastk.Run({'' if self._folder is None else repr(str(self._folder))})"

    def _repr_html_(self) -> str:
        return run_html(self._folder)
