"""How a step of `nastk.Run` is called: its words made of arguments, its images, what it says and who hears it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from omegaconf import DictConfig

from nastk.api.arrays import array_set, kept_arrays
from nastk.api.results import Results
from nastk.api.settings import setting_words, whole_words
from nastk.api.step import run_step
from nastk.cli.interrupts import WHOLE
from nastk.cli.sweeps import quoted
from nastk.cli.wish_words import OWN, image_settings
from nastk.errors import UserError
from nastk.events import Event, Listener, Said
from nastk.runs.folder import named_run, new_run

Result = TypeVar("Result")


class Calling(Results):
    """A run folder and the calls of steps on it; fields are those of `nastk.Run`."""

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


def _expanded(path: str | os.PathLike[str]) -> str:
    """Returns a path with the home folder for ~, as a shell gives it to a command."""
    text = os.fspath(path)
    return str(Path(text).expanduser()) if text.startswith("~") else text
