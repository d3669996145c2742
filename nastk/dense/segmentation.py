"""Semantic segmentation: a class for every pixel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torchmetrics.classification import MulticlassAccuracy, MulticlassJaccardIndex

from nastk.dense.task import NOT_COUNTED, DenseTask
from nastk.dense.unet import UNetDecoder
from nastk.networks.features import FeatureInfo


class Segmentation(DenseTask):
    """A U-Net over the backbone's maps, cross-entropy over the pixels that count, mean intersection over union."""

    name: ClassVar[str] = "segmentation"
    score: ClassVar[str] = "miou"
    outputs: ClassVar[tuple[str, ...]] = ("mask_logits",)

    def __init__(self) -> None:
        self._classes = 0

    def head(self, info: tuple[FeatureInfo, ...], classes: int, height: int, width: int) -> nn.Module:
        """Returns the decoder: the maps to logits (N, classes, height, width)."""
        self._classes = classes
        return UNetDecoder(info, classes, height, width)

    def loss(self, outputs: Tensor, targets: Sequence[Tensor]) -> Tensor:
        """Returns the mean cross-entropy of a pixel; 0 where none counts."""
        masks = torch.stack(list(targets)).long()
        total = cross_entropy(outputs, masks, ignore_index=NOT_COUNTED, reduction="sum")
        return total / (masks != NOT_COUNTED).sum().clamp(min=1)

    def metric(self) -> MeanIou:
        """Returns a measure of as many classes as the head tells apart."""
        return MeanIou(self._classes)

    def mirrored(self, target: Tensor, width: int) -> Tensor:
        """Returns the mask, its columns the other way round."""
        return target.flip(1)


class MeanIou:
    """Mean intersection over union (Jaccard index) and the share of pixels that are right, background included.

    The mean is over the classes that are in the images or were found in them; pixels that do not count are left out.
    """

    def __init__(self, classes: int) -> None:
        self._iou = MulticlassJaccardIndex(classes, average="macro", ignore_index=NOT_COUNTED)
        self._accuracy = MulticlassAccuracy(classes, average="micro", ignore_index=NOT_COUNTED)

    def update(self, outputs: Tensor, targets: Sequence[Tensor]) -> None:
        """Takes in logits (n, classes, height, width) and n masks."""
        found, masks = outputs.argmax(1).cpu(), torch.stack(list(targets)).long().cpu()
        self._iou.update(found, masks)
        self._accuracy.update(found, masks)

    def compute(self) -> dict[str, float]:
        """Returns "miou" and "pixel_accuracy", 0 to 1."""
        return {"miou": float(self._iou.compute()), "pixel_accuracy": float(self._accuracy.compute())}
