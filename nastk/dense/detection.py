"""Object detection: boxes with classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from nastk.dense.average_precision import MeanAveragePrecision, check_installed
from nastk.dense.ssd.default_boxes import default_boxes
from nastk.dense.ssd.detections import LEAST_SCORE, MOST, MOST_OVERLAP, detections
from nastk.dense.ssd.head import SsdHead
from nastk.dense.ssd.loss import multibox_loss
from nastk.dense.ssd.offsets import CENTRE_VARIANCE, SIZE_VARIANCE
from nastk.dense.task import DenseTask
from nastk.networks.features import FeatureInfo

SCHEMA = 1
BOXES = "default_boxes.json"


class Detection(DenseTask):
    """SSD over the backbone's maps, its loss, and mean average precision."""

    name: ClassVar[str] = "detection"
    score: ClassVar[str] = "map"
    also: ClassVar[tuple[str, ...]] = ("map50",)
    outputs: ClassVar[tuple[str, ...]] = ("class_logits", "box_offsets")

    def __init__(self) -> None:
        """Prepares; raises UserError where what measures it is not installed."""
        check_installed()
        self._classes, self._height, self._width = 0, 0, 0
        self._defaults = torch.empty(0, 4)

    def head(self, info: tuple[FeatureInfo, ...], classes: int, height: int, width: int) -> nn.Module:
        """Returns the layers from the maps to logits (N, d, classes + 1) and offsets (N, d, 4)."""
        head = SsdHead(info, classes)
        self._classes, self._height, self._width = classes, height, width
        self._defaults = default_boxes(head.sizes, height, width)
        return head

    def loss(self, outputs: tuple[Tensor, Tensor], targets: Sequence[Mapping[str, Tensor]]) -> Tensor:
        """Returns the loss for each default box that has an object."""
        logits, offsets = outputs
        return multibox_loss(logits, offsets, targets, self._defaults.to(logits.device))

    def metric(self) -> DetectionMetric:
        """Returns a measure of the images that the head is for."""
        return DetectionMetric(self._classes, self._defaults, self._height, self._width)

    def mirrored(self, target: Mapping[str, Tensor], width: int) -> dict[str, Tensor]:
        """Returns the boxes of the mirrored image."""
        x0, y0, x1, y1 = target["boxes"].unbind(1)
        return {**target, "boxes": torch.stack([width - x1, y0, width - x0, y1], 1)}

    def files(self) -> dict[str, Any]:
        """Returns default_boxes.json: all that it takes to make boxes of the outputs."""
        return {
            BOXES: {
                "schema": SCHEMA,
                "classes": "softmax over the last dimension of class_logits; the background is the first",
                "centre": "default centre + offset * centre_variance * default size, x before y",
                "size": "default size * exp(offset * size_variance), width before height",
                "centre_variance": CENTRE_VARIANCE,
                "size_variance": SIZE_VARIANCE,
                "then": "boxes cut to the image; of a class those of least_score, by non-maximum suppression",
                **{"least_score": LEAST_SCORE, "most_overlap": MOST_OVERLAP, "most_detections": MOST},
                "boxes": "[centre x, centre y, width, height] in pixels",
                "default_boxes": self._defaults.tolist(),
            }
        }


class DetectionMetric:
    """Mean average precision of what is detected."""

    def __init__(self, classes: int, defaults: Tensor, height: int, width: int) -> None:
        self._precision = MeanAveragePrecision(classes)
        self._defaults, self._height, self._width = defaults, height, width

    def update(self, outputs: tuple[Tensor, Tensor], targets: Sequence[Mapping[str, Tensor]]) -> None:
        """Takes in logits and offsets of n images, and what is in them."""
        for logits, offsets, target in zip(*(one.cpu() for one in outputs), targets, strict=True):
            found = detections(logits, offsets, self._defaults, self._height, self._width)
            self._precision.add(found, target)

    def compute(self) -> dict[str, float]:
        """Returns "map" and "map50", 0 to 1."""
        return self._precision.compute()
