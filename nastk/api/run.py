"""A run in Python: `nastk.Run("mine").search(...)`, then `transfer`, `export`, `bench`, `report`, `predict`."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from omegaconf import DictConfig

from nastk.api.arrays import array_set, kept_arrays
from nastk.api.further import Further
from nastk.api.html import genotype_html, run_html
from nastk.api.loaded import Loaded, Prediction, Predictions, load
from nastk.api.settings import setting_words, whole_words
from nastk.api.step import run_step
from nastk.cli.interrupts import WHOLE
from nastk.cli.sweeps import quoted
from nastk.cli.wish_words import OWN, image_settings
from nastk.errors import UserError
from nastk.events import Event, Listener, Said
from nastk.genotype.genotype import show_with
from nastk.runs.folder import named_run, new_run

Result = TypeVar("Result")

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

    def __init__(
        self,
        run: str | os.PathLike[str] | None = None,
        runs: str | os.PathLike[str] = "runs",
        *,
        show: bool = False,
        progress: Listener | None = None,
    ) -> None:
        self._runs = _expanded(runs)
        self._folder = None if run is None else named_run(_expanded(run), self._runs)
        self._show, self._progress = show, progress
        self.said: list[str] = []

    @property
    def folder(self) -> Path:
        """The run folder; raises UserError for a new run before its search."""
        if self._folder is None:
            raise UserError("run: has no folder yet; search() makes it, nastk.Run(NAME) names it")
        return self._folder

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

    def _step(
        self,
        entry: str,
        job: Callable[[DictConfig], Result],
        settings: Mapping[str, Any],
        overrides: str | Sequence[str],
        begun: bool = False,
        placed: bool = True,
    ) -> Result:
        place = self.folder if begun else self._folder
        own = [f"runs={quoted(self._runs)}"] + ([] if place is None else [f"run={quoted(str(place))}"])

        def words() -> list[str]:
            if entry == WHOLE:
                return whole_words(settings, overrides, place, own)
            return [*setting_words(entry, settings, overrides, place if placed else None), *(own if placed else ())]

        self.said = []
        return run_step(entry, words, job, self._show, self._heard)

    def _heard(self, event: Event) -> None:
        if isinstance(event, Said):
            self.said.append(event.text)
        if self._progress is not None:
            self._progress(event)

    @contextlib.contextmanager
    def _images(self, images: Any, settings: Mapping[str, Any], whole: bool = False) -> Iterator[dict[str, Any]]:
        """Yields the settings with those of the images; arrays that the search refuses are taken away again.

        Args:
            images: as in `search`.
            settings: of the step.
            whole: the step has images for a setting itself.
        """
        given = dict(settings)
        if images is None:
            yield given
            return
        other = next((name for name in (*OWN["images"], "root", "path") if name in given), None)
        if other is not None:
            raise UserError(f"images and {other}: both given, and the one stands for the other; expected one of them")
        if isinstance(images, str | os.PathLike):
            path = os.fspath(images)
            yield given | ({"images": path} if whole else image_settings(path))
            return
        arrays = array_set(images)
        before = self._folder
        folder = before or new_run(self._runs, str(given.get("space", "search")))
        with kept_arrays(folder, arrays, new=before is None or not before.exists()) as path:
            self._folder = folder
            try:
                yield given | ({"images": path} if whole else {"data": "npz", "data.root": path})
            finally:
                if not (folder / "config.yaml").exists():
                    self._folder = before

    def __repr__(self) -> str:
        return f"nastk.Run({'' if self._folder is None else repr(str(self._folder))})"

    def _repr_html_(self) -> str:
        return run_html(self._folder)


def _expanded(path: str | os.PathLike[str]) -> str:
    """Returns a path with the home folder for ~, as a shell gives it to a command."""
    text = os.fspath(path)
    return str(Path(text).expanduser()) if text.startswith("~") else text
