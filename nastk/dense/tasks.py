"""The tasks by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from nastk.checks import check_name
from nastk.dense.detection import Detection
from nastk.dense.segmentation import Segmentation
from nastk.dense.task import DenseTask

TASKS: Mapping[str, Callable[[], DenseTask]] = {one.name: one for one in (Segmentation, Detection)}


def make_task(name: object) -> DenseTask:
    """Returns a task that has made no head yet; raises UserError for a name that there is not."""
    return TASKS[check_name("task", name, TASKS)]()
