"""The trainings of one transfer: each network's recipe, first weights and log, with one count of all epochs."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

from nastk.errors import UserError
from nastk.genotype import Genotype
from nastk.jobs.loggers import Log, Logger, NoLogger
from nastk.jobs.transfer.fitting import fitted_recipe
from nastk.jobs.transfer.halving import stops
from nastk.jobs.transfer.initial import begun
from nastk.jobs.transfer.plan import TransferPlan
from nastk.jobs.transfer.progress import TransferProgress
from nastk.networks import NetworkConfig
from nastk.runs.learning_curves import add_epoch
from nastk.training.initial import Initial
from nastk.training.rungs import Rung, known_rung, read_rungs
from nastk.training.teacher import Teacher
from nastk.training.transfer import METRICS, train_final, train_rung
from nastk.training.transfer_settings import TransferSettings

LOGGED = ("accuracy", "loss", "validation_accuracy", "validation_loss", "params", "seconds")
HARDLY = 0.005  # by so much accuracy and balanced accuracy may differ without a word


class Start(NamedTuple):
    """What a narrowed network begins with: its weights, and the folder of its wide network where that teaches it."""

    initial: Initial
    teacher: Path | None = None


class Sized(NamedTuple):
    """A network to train and its folder; `baseline` is the name of a known one, None for one of the search.

    `start` is of one that was narrowed.
    """

    genotype: Genotype
    network: NetworkConfig
    place: Path
    baseline: str | None = None
    start: Start | None = None

    @property
    def name(self) -> str:
        """The baseline's name, or the key of what the search found."""
        return self.baseline or self.genotype.key

    @property
    def told(self) -> str:
        """Its name for a person to read."""
        return f"{self.genotype.key[:8]}{f' (baseline {self.baseline})' if self.baseline else ''}"


class Trainings:
    """Trains the networks of a transfer, in part and to the end; a context, which ends the count.

    Args:
        folder: of the run.
        plan: of the transfer.
        recipe: of all networks.
        teacher: of all networks, None for none; an attribute too.
        networks: those of the search, and those made by hand.
        logger: of the run.

    Raises:
        UserError: weights to begin with do not fit, or a folder holds another training.
    """

    def __init__(
        self,
        folder: Path,
        plan: TransferPlan,
        recipe: TransferSettings,
        teacher: Teacher | None,
        networks: Sequence[Sized],
        logger: Logger,
    ) -> None:
        self._folder, self._plan, self.teacher, self._logger = folder, plan, teacher, logger
        self._recipes = {one.place: _own_recipe(plan, recipe, one) for one in networks}
        first = begun([(one.told, one.genotype, one.network, one.baseline) for one in networks], plan.init)
        self._initials = {
            one.place: one.start.initial if one.start is not None else initial
            for one, initial in zip(networks, first, strict=True)
        }
        self._known = {one.place for one in networks if (one.place / METRICS).exists()}
        self.epochs = self._recipes[networks[0].place].epochs
        searched = sum(one.baseline is None for one in networks)
        asked = _epochs_in_all(searched, plan.top, self.epochs) + (len(networks) - searched) * self.epochs
        self._progress = TransferProgress(asked, quiet=len(self._known) == len(networks))

    def __enter__(self) -> Trainings:
        self._progress.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.__exit__(kind, error, trace)

    def rung(self, one: Sized, epochs: int) -> Rung:
        """Returns a network's scores on held-out images after the first so many epochs, trained now or before."""
        known = known_rung(one.place, epochs)
        if known is not None:
            self._progress.skip(epochs - self._done(one, below=epochs))
            return known
        self._progress.begin(one.name, self._recipes[one.place].epochs, self._done(one, below=epochs))
        with self._logger.opened(self._folder, self._log_name(one), one.network.to_dict()) as log:
            shown = functools.partial(self._epoch, log, one.genotype.key)
            recipe, initial = self._recipes[one.place], self._initials[one.place]
            given = (one.genotype, one.network, self._plan.data, recipe, one.place, epochs, shown)
            return train_rung(*given, initial=initial, teacher=self.teacher)

    def full(self, one: Sized) -> Mapping[str, Any]:
        """Returns the metrics of a network that is trained to the end, now or before."""
        recipe = self._recipes[one.place]
        self._progress.begin(one.name, recipe.epochs, self._done(one, below=recipe.epochs))
        opened = (NoLogger() if one.place in self._known else self._logger).opened
        with opened(self._folder, self._log_name(one), one.network.to_dict()) as log:
            shown = functools.partial(self._epoch, log, one.genotype.key)
            given = (one.genotype, one.network, self._plan.data, recipe, one.place, shown, self._plan.run)
            found = train_final(*given, initial=self._initials[one.place], teacher=self.teacher)
            log({f"transfer/{name}": found[name] for name in LOGGED if name in found}, recipe.epochs)
        before = " (trained before)" if one.place in self._known else ""
        self._progress.end(one.name, recipe.epochs, found, f"transfer {one.told}: {_result(one.place, found)}{before}")
        return found

    def made_of(self, one: Sized) -> tuple[TransferSettings, Initial | None]:
        """Returns the recipe of a network, and the weights that it begins with."""
        return self._recipes[one.place], self._initials[one.place]

    def _done(self, one: Sized, below: int) -> int:
        """Returns the epochs of a network that were counted when it was compared before."""
        return max((rung.epochs for rung in read_rungs(one.place) if rung.epochs < below), default=0)

    def _epoch(self, log: Log, key: str, epoch: int, epochs: int, loss: float) -> None:
        add_epoch(self._folder, key, epoch, loss)
        self._progress.epoch(epoch, epochs, loss)
        log({"transfer/train_loss": loss}, epoch)

    @staticmethod
    def _log_name(one: Sized) -> str:
        return f"transfer-{one.genotype.key[:8]}"


def _own_recipe(plan: TransferPlan, recipe: TransferSettings, one: Sized) -> TransferSettings:
    """Returns a network's recipe; a narrowed one may learn from its wide network where there is no other teacher."""
    if one.start is not None and one.start.teacher is not None and recipe.teacher is None:
        # Before the rest is chosen: a student's precision is not timed.
        recipe = dataclasses.replace(recipe, teacher=str(one.start.teacher))
    return fitted_recipe(plan, recipe, one.genotype, one.network, one.place)


def _epochs_in_all(entrants: int, top: int, epochs: int) -> int:
    """Returns how many epochs successive halving takes with so many entrants."""
    found, before, left = 0, 0, entrants
    for stop in stops(entrants, top, epochs):
        found += left * (stop.epochs - before)
        before, left = stop
    return found + min(left, top) * (epochs - before)


def _result(folder: Path, metrics: Mapping[str, Any]) -> str:
    try:
        held_out = metrics.get("validation_accuracy")
        validated = f"accuracy {held_out:.4f} on held-out images, " if held_out is not None else ""
        return (
            f"{validated}test accuracy {metrics['accuracy']:.4f}{_by_class(metrics)} after {metrics['epochs']} epochs, "
            f"{metrics['params']:,} parameters"
        )
    except (AttributeError, KeyError, TypeError, ValueError):
        raise UserError(f"{folder / METRICS}: accuracy, epochs or params is missing or no number; damaged") from None


def _by_class(metrics: Mapping[str, Any]) -> str:
    """Returns what the accuracy hides of the classes, where it hides something."""
    balanced, untested = metrics.get("balanced_accuracy"), metrics.get("classes_without_test_images")
    differs = balanced is not None and abs(balanced - metrics["accuracy"]) > HARDLY
    told = [f"balanced {balanced:.4f}"] if differs else []
    told += [f"no test image of {', '.join(untested)}"] if untested else []
    return f" ({'; '.join(told)})" if told else ""
