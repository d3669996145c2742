"""Scores a genotype by training it for a few epochs on a part of the training images, validated on another part."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Mapping
from functools import cached_property
from typing import Any

import torch

from nastk.checks import MOST, check_number, check_whole
from nastk.data.images import DataSource
from nastk.data.summary import data_lines
from nastk.deploy.images import balanced_indices
from nastk.deploy.targets import Target
from nastk.errors import UserError
from nastk.evaluators import EvaluationFailed, Report
from nastk.evaluators.int8 import check_int8, int8_accuracy
from nastk.evaluators.network_settings import network_for
from nastk.evaluators.of_images import ImageEvaluator
from nastk.genotype import Genotype
from nastk.networks import NetworkConfig, build_network
from nastk.objective import INT8_ACCURACY
from nastk.seeds import derive_seed
from nastk.training.averaging import AveragingClassifier
from nastk.training.batches import Batches, in_order
from nastk.training.class_weights import check_count, class_weights
from nastk.training.device import place
from nastk.training.failure import TrainingError, memory_errors_named
from nastk.training.first_step import StepCost, first_step
from nastk.training.fit import fit
from nastk.training.scoring import scores
from nastk.training.seeds import isolated_rng, threads_set
from nastk.training.settings import TrainingSettings

CPU = torch.device("cpu")


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainingEvaluator(TrainingSettings, ImageEvaluator):
    """Trains each candidate alike: same images, same recipe, a seed of its own that follows from `seed` and its key.

    So a candidate's result depends on nothing that was evaluated before it, and comes out the same again on one
    machine. The data source's test images are not touched.

    Attributes:
        data: where the images come from; its `subset` and `validation` say which are trained and scored on.
        network: fields of `NetworkConfig`, e.g. {"cells": 1, "filters": 8}; classes, channels and size are the data's,
            auxiliary head and drop path the recipe's.
        max_seconds: after which a candidate is given up, or None.
        repeat: 0 in a search; another number trains from other weights and with other batches, on the same images.
        int8_images: training images that a trained candidate is calibrated on, where its int8 accuracy is wanted.
        int8_target: for which it is quantized then; None: it is not.
        resolutions: image sizes that candidates may choose, pixels a side; follows from the space.
        and those of `TrainingSettings`; `seed` is also of the subset and of the split.
    """

    data: DataSource
    network: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    max_seconds: float | None = None
    repeat: int = 0
    int8_images: int = 256
    int8_target: Target | None = None
    resolutions: tuple[int, ...] = ()
    epochs: int = 4
    learning_rate: float = 0.2
    auxiliary: float = 0.0

    def __post_init__(self) -> None:
        """Checks every value and reads the training images; raises UserError, before anything is trained."""
        super().__post_init__()
        if self.max_seconds is not None:
            check_number("max_seconds", self.max_seconds, 0, above=True)
        check_whole("repeat", self.repeat, 0, MOST)
        check_whole("int8_images", self.int8_images, 1, MOST)
        if self.int8_target is not None:
            check_int8(self.int8_target)
        if self.batch > len(self._drawn.train):
            raise UserError(
                f"batch={self.batch}, expected at most {len(self._drawn.train)}: that many images a candidate is "
                f"trained on (data.subset={self.data.subset}, data.validation={self.data.validation})"
            )
        check_count(self.class_weights, len(self.data.classes))
        _ = self.network_config, self._device

    @cached_property
    def network_config(self) -> NetworkConfig:
        """The network that candidates are built as; measure their cost on this one."""
        return network_for(self.network, self.data, self.auxiliary > 0, self.drop_path)

    @property
    def images(self) -> int:
        """How many images a candidate is trained on."""
        return len(self._drawn.train)

    def data_lines(self) -> list[str]:
        """Returns what a user is told of the images; raises UserError where the test part is not what it should be."""
        return data_lines(self.data, self._drawn, flip=self.augmentation(self.data.crop, self.data.flip).flip)

    def evaluate(self, genotype: Genotype, report: Report) -> dict[str, float]:
        """Trains and validates one candidate.

        Args:
            genotype: the candidate.
            report: is called after each epoch with the number of epochs done and the validation accuracy.

        Returns:
            "accuracy", "balanced_accuracy" and "loss" on the validation part after the last epoch, "train_loss",
            "epochs", "train_seconds" (training and validation, without building the network).

        Raises:
            EvaluationFailed: it diverged, ran out of memory or took longer than `max_seconds`.
            Pruned: `report` raised it.
        """
        of_key = derive_seed(self.seed, genotype.key)
        seed = derive_seed(of_key, self.repeat) if self.repeat else of_key
        network = self.network_config.of(genotype)
        try:
            with threads_set(self.threads, network.size), isolated_rng(seed, self._device), memory_errors_named():
                return self._train(genotype, network, report, seed)
        except TrainingError as error:
            raise EvaluationFailed(error.reason) from None

    def _train(self, genotype: Genotype, config: NetworkConfig, report: Report, seed: int) -> dict[str, float]:
        images = self._images.at(config.size)
        train, held, normalisation, classes = *images.drawn[:2], images.normalisation, config.classes
        network = build_network(genotype, config)
        place(network, self._device)
        batches = Batches(
            train,
            normalisation,
            batch=self.batch,
            augmentation=self.augmentation(self.data.crop, self.data.flip),
            seed=seed,
            device=self._device,
            mixing=self.mixing(classes),
            warp=self.warp(),
        )
        metrics: dict[str, float] = {}
        start = time.perf_counter()

        def after_epoch(epoch: int, loss: float) -> None:
            found = scores(module.result, in_order(held, normalisation, self._device), classes)
            if not math.isfinite(found.loss):
                raise TrainingError(f"diverged: the validation loss is {found.loss} in epoch {epoch}")
            seconds = time.perf_counter() - start
            metrics.update(found._asdict(), train_loss=loss, epochs=float(epoch), train_seconds=seconds)
            report(epoch, found.accuracy)

        module = AveragingClassifier(
            network,
            batches,
            self,
            seed=seed,
            after_epoch=after_epoch,
            max_seconds=self.max_seconds,
            average=self.average,
            weights=class_weights(self.class_weights, train.y, classes),
        )
        fit(module, self._device)
        if self.int8_target is not None:
            metrics[INT8_ACCURACY] = self._int8_accuracy(module.result, genotype.key, config, self.int8_target)
        return metrics

    def _int8_accuracy(self, network: torch.nn.Module, key: str, config: NetworkConfig, target: Target) -> float:
        images = self._images.at(config.size)
        train, held, normalisation = *images.drawn[:2], images.normalisation
        tested, labels = zip(*in_order(held, normalisation, CPU), strict=True)
        # Of all classes, as an export does it: the first images of a folder are of its first class.
        chosen = balanced_indices(train, self.int8_images)
        calibration = next(iter(in_order(train.take(chosen.to(train.y.device)), normalisation, CPU, len(chosen))))[0]
        return int8_accuracy(
            network,
            config,
            key,
            calibration=calibration,
            images=torch.cat(tested),
            labels=torch.cat(labels),
            target=target,
        )

    def first_step(self, genotype: Genotype, threads: int | None = None) -> StepCost:
        """Returns what a step of this training takes, timed on images without content; see `first_step`."""
        seed = derive_seed(self.seed, "first step")
        network = self.network_config.of(genotype)
        with threads_set(threads or self.threads, network.size), isolated_rng(seed, self._device):
            return first_step(genotype, network, self, self._device)
