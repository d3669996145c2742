"""Scores a genotype with its part of weights that all networks of a space share, trained once; see `nastk.supernet`."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from torch import Tensor

from nastk.checks import MOST, check_number, check_path, check_whole
from nastk.data.images import DataSource
from nastk.data.summary import data_lines
from nastk.errors import UserError
from nastk.evaluators import EvaluationFailed, Report
from nastk.evaluators.network_settings import network_for
from nastk.evaluators.of_images import ImageEvaluator
from nastk.files import cannot_write
from nastk.genotype import Genotype
from nastk.genotype.stages import StageGenotype
from nastk.networks import NetworkConfig
from nastk.objective import SCORE_SECONDS
from nastk.runs.folder import held
from nastk.spaces import Space, StageSpace
from nastk.supernet.facts import facts_of, recipe_facts
from nastk.supernet.progress import Shown
from nastk.supernet.shapes import Shapes, shared_shapes
from nastk.supernet.shared import SharedWeights
from nastk.supernet.stored import RECORD, load_shared, save_shared
from nastk.supernet.train import Progress, check_holds, train_shared
from nastk.training.batches import Batches, in_order
from nastk.training.class_weights import check_count, class_weights
from nastk.training.failure import TrainingError, memory_errors_named
from nastk.training.recalibration import even_parts, recalibrate
from nastk.training.scoring import scores
from nastk.training.seeds import isolated_rng, threads_set
from nastk.training.settings import TrainingSettings

# Parts of a recipe that shared weights are trained without.
WITHOUT = {"auxiliary": (0.0,), "drop_path": (0.0,), "average": (0.0,), "precision": ("auto", "fp32")}


@dataclasses.dataclass(frozen=True, kw_only=True)
class SupernetEvaluator(TrainingSettings, ImageEvaluator):
    """Trains one set of weights for the whole space, once a run; each candidate inherits its part and is judged.

    The accuracy is that of the inherited weights: it ranks candidates, and is not what they reach when they are
    trained. How well it ranks them, `nastk.audit` tells.

    Attributes:
        data: where the images come from.
        space: of stages; its networks share the weights.
        network: fields of `NetworkConfig`; classes, channels and size are the data's.
        folder: of shared weights that another run has trained (`runs/<name>/evaluator`), None to train them.
        checkpoint_minutes: between states that a killed training goes on from, written at ends of epochs.
        recalibration: training images that a candidate's normalisations are counted on.
        resolutions: image sizes that candidates may choose, pixels a side; follows from the space.
        and those of `TrainingSettings`, of the training of the shared weights.
    """

    data: DataSource
    space: Space
    network: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    folder: str | None = None
    checkpoint_minutes: float = 1.0
    recalibration: int = 1024
    resolutions: tuple[int, ...] = ()
    epochs: int = 20
    learning_rate: float = 0.6
    momentum: float = 0.0
    auxiliary: float = 0.0

    def __post_init__(self) -> None:
        """Checks every value and reads the training images; raises UserError, before anything is trained."""
        super().__post_init__()
        if not isinstance(self.space, StageSpace):
            raise UserError(
                "evaluator=supernet: shares weights in spaces of stages, such as +space=mobile; for cells give "
                "evaluator=training or evaluator=zero_cost"
            )
        self._check_recipe()
        check_number("evaluator.checkpoint_minutes", self.checkpoint_minutes, 0)
        check_whole("evaluator.recalibration", self.recalibration, 2, MOST)
        if self.folder is not None and not (Path(check_path("evaluator.folder", self.folder)) / RECORD).is_file():
            raise UserError(f"evaluator.folder={self.folder}: no {RECORD} there, expected runs/<name>/evaluator")
        if self.batch > len(self._drawn.train):
            raise UserError(
                f"batch={self.batch}, expected at most {len(self._drawn.train)}: that many images there are"
            )
        check_count(self.class_weights, len(self.data.classes))
        _ = self.network_config, self._device

    def _check_recipe(self) -> None:
        for name, allowed in WITHOUT.items():
            if getattr(self, name) not in allowed:
                raise UserError(
                    f"evaluator.{name}={getattr(self, name)}: shared weights are trained without, expected {allowed[0]}"
                )

    @cached_property
    def network_config(self) -> NetworkConfig:
        """The network that candidates are built as; measure their cost on this one."""
        return network_for(self.network, self.data)

    def data_lines(self) -> list[str]:
        """Returns what a user is told of the images; raises UserError where the test part is not what it should be."""
        flip = self.augmentation(self.data.crop, self.data.flip).flip
        steps = f"{self.epochs} epochs of {len(self._drawn.train) // self.batch} steps"
        trained = f"taken from {self.folder}" if self.folder is not None else f"trained once, {steps}"
        said = f"search: candidates inherit shared weights, {trained}; nastk.audit says how well these rank them"
        return [*data_lines(self.data, self._drawn, flip=flip), said]

    def prepare(self, folder: Path) -> None:
        """Trains the shared weights in `folder`, goes on with them, or takes over those of `self.folder`.

        Raises:
            UserError: the folder holds others, or damaged ones; the training diverged, or there is no memory for it.
        """
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise cannot_write(folder, error) from None
        try:
            with held(folder), threads_set(self.threads, self.data.size), memory_errors_named():
                self._prepare(folder)
        except TrainingError as error:
            advice = f"evaluator.learning_rate={self.learning_rate / 4:g} or evaluator.batch={max(self.batch // 2, 2)}"
            raise UserError(f"supernet: {error.reason}; give {advice}, and another run=") from None

    def _prepare(self, folder: Path) -> None:
        progress = self._new(self.seed)
        check_holds(progress.shared, self.space)
        if load_shared(folder, progress, self._all_facts()):
            return
        if self.folder is not None:
            self._take_over(folder, Path(self.folder))
        else:
            self._train(progress, folder)

    def load(self, folder: Path) -> None:
        """Reads the shared weights; raises UserError where they are not whole."""
        progress = self._new()
        if not load_shared(folder, progress, self._all_facts()):
            raise UserError(f"{folder}: its shared weights are not trained to the end")
        vars(self)["_shared"] = progress.shared

    def evaluate(self, genotype: Genotype, report: Report) -> dict[str, float]:
        """Judges one candidate with its part of the shared weights; `load` was called.

        Args:
            genotype: the candidate.
            report: never called; nothing is trained.

        Returns:
            "accuracy", "balanced_accuracy" and "loss" on the validation part, "score_seconds".

        Raises:
            EvaluationFailed: the space does not hold it, it has no finite loss, or the memory does not suffice.
        """
        start, size = time.perf_counter(), self.network_config.of(genotype).size
        shared: SharedWeights = vars(self)["_shared"]
        assert isinstance(genotype, StageGenotype)  # the space is of stages
        try:
            with threads_set(self.threads, size), memory_errors_named():
                network = shared.lend(genotype).network
                recalibrate(network, self._images_at(size))
                parts = self._images.at(size)
                held_out = in_order(parts.drawn.validation, parts.normalisation, self._device)
                found = scores(network, held_out, len(self.data.classes))
        except (TrainingError, UserError) as error:
            raise EvaluationFailed(str(error)) from None
        if not math.isfinite(found.loss):
            raise EvaluationFailed(f"its loss with shared weights is {found.loss}")
        return {**found._asdict(), SCORE_SECONDS: time.perf_counter() - start}

    def _train(self, progress: Progress, folder: Path) -> None:
        assert isinstance(self.space, StageSpace)
        own, classes, written = self._images.own, len(self.data.classes), time.monotonic()
        batches = Batches(
            own.drawn.train,
            own.normalisation,
            batch=self.batch,
            augmentation=self.augmentation(self.data.crop, self.data.flip),
            seed=self.seed,
            device=self._device,
            mixing=self.mixing(classes),
            warp=self.warp(),
        )

        def after_epoch(reached: Progress) -> None:
            nonlocal written
            finished = len(reached.losses) == self.epochs
            if finished or time.monotonic() - written >= 60 * self.checkpoint_minutes:
                save_shared(folder, reached, self._all_facts(), finished)
                written = time.monotonic()
            shown.epoch(reached.losses)

        weights = class_weights(self.class_weights, own.drawn.train.y, classes)
        with (
            isolated_rng(self.seed, self._device),
            Shown(self.epochs, len(batches), len(progress.losses)) as shown,
        ):
            train_shared(
                progress,
                self.space,
                batches,
                self,
                seed=self.seed,
                class_weights=weights,
                after_step=shown.step,
                after_epoch=after_epoch,
            )

    def _take_over(self, folder: Path, other: Path) -> None:
        """Copies what another run has trained; raises UserError where it is of something else, or not finished."""
        progress = self._new()
        if not load_shared(other, progress, self._facts()):
            raise UserError(
                f"evaluator.folder={other}: its shared weights are not trained to the end; go on with its run"
            )
        save_shared(folder, progress, self._all_facts(), True)

    def _new(self, seed: int | None = None) -> Progress:
        assert isinstance(self.space, StageSpace)
        shared = SharedWeights(self.space, self.network_config, seed, self._shapes)
        return Progress(shared.to(self._device), {}, [])

    @cached_property
    def _shapes(self) -> Shapes:
        assert isinstance(self.space, StageSpace)
        return shared_shapes(self.space, self.network_config)

    def _facts(self) -> dict[str, Any]:
        assert isinstance(self.space, StageSpace)
        return facts_of(self.space, self.network_config, self.data, self.data_record(), self.seed)

    def _all_facts(self) -> dict[str, Any]:
        return {**self._facts(), **recipe_facts(self), "folder": self.folder}

    def _images_at(self, size: int) -> list[Tensor]:
        if size not in self._calibration:
            self._calibration[size] = even_parts(self.batch_of(size, self.recalibration)[0])
        return self._calibration[size]

    @cached_property
    def _calibration(self) -> dict[int, list[Tensor]]:
        return {}
