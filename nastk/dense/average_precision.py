"""Mean average precision of detections, as COCO defines it.

By pycocotools, the reference implementation. torchmetrics' MeanAveragePrecision calls the same code, but imports
torchvision first, whose wheel does not load beside the CPU build of torch.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from nastk.dense.ssd.detections import Detections
from nastk.errors import UserError


def check_installed() -> None:
    """Raises UserError where pycocotools is missing."""
    if importlib.util.find_spec("pycocotools") is None:
        raise UserError("task=detection: needs pycocotools, not installed; pip install 'nastk[detection]'")


class MeanAveragePrecision:
    """The mean over classes, and over overlaps of 0.5, 0.55, ... 0.95 that count as found, of the average precision.

    Of an image the 100 most certain detections count. At least one image must have an object.
    """

    def __init__(self, classes: int) -> None:
        """Counts nothing yet; raises UserError where pycocotools is missing."""
        check_installed()
        self._classes = classes
        self._images = 0
        self._true: list[dict[str, Any]] = []
        self._found: list[dict[str, Any]] = []

    def add(self, found: Detections, target: Mapping[str, Tensor]) -> None:
        """Takes in what was found in an image, and what is there: "boxes" (m, 4) and "labels" (m,)."""
        self._images += 1
        for box, label in zip(target["boxes"].tolist(), target["labels"].tolist(), strict=True):
            self._true.append(self._annotation(len(self._true), box, label))
        for box, score, label in zip(*(part.tolist() for part in found), strict=True):
            self._found.append({**self._annotation(len(self._found), box, label), "score": score})

    def compute(self) -> dict[str, float]:
        """Returns "map", and "map50", for which an overlap of 0.5 is enough; 0 to 1."""
        from pycocotools.coco import COCO
        from pycocotools.cocoeval import COCOeval

        with contextlib.redirect_stdout(io.StringIO()):  # it tells of its progress
            sides = []
            for annotations in (self._true, self._found):
                side = COCO()
                side.dataset = {
                    "images": [{"id": number} for number in range(1, self._images + 1)],
                    "categories": [{"id": number} for number in range(1, self._classes + 1)],
                    "annotations": annotations,
                }
                side.createIndex()
                sides.append(side)
            evaluation = COCOeval(*sides, iouType="bbox")
            evaluation.evaluate()
            evaluation.accumulate()
            evaluation.summarize()
        return {"map": float(evaluation.stats[0]), "map50": float(evaluation.stats[1])}

    def _annotation(self, number: int, box: list[float], label: int) -> dict[str, Any]:
        """Returns a box as COCO has it: corner and size; all that is counted, is from 1 on."""
        x0, y0, x1, y1 = box
        width, height = x1 - x0, y1 - y0
        kept = {"id": number + 1, "image_id": self._images, "category_id": label + 1, "iscrowd": 0}
        return {**kept, "bbox": [x0, y0, width, height], "area": width * height}
