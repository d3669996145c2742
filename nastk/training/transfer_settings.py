"""How the final network is trained: what every training can be told, and what only the last one needs."""

from __future__ import annotations

import dataclasses

from nastk.checks import check_flag, check_number, check_path, check_whole, is_number
from nastk.errors import UserError
from nastk.training.settings import TrainingSettings

AUTO = "auto"


@dataclasses.dataclass(frozen=True)
class TransferSettings(TrainingSettings):
    """How the final network is trained.

    Attributes:
        holdout: whether the data source's validation images are held out of the training and scored, so that several
            networks can be ranked without a look at the test images.
        teacher: path of a trained classifier of the same classes that the network learns from, see `Lesson`: the folder
            of a trained network or of an export, or an ONNX file; "auto" for a larger network that is trained first;
            None for the labels alone.
        teacher_width: of the teacher "auto", times the width of the first network that it teaches.
        teacher_weight: share of the teacher in the loss; the rest is the labels'.
        teacher_temperature: that the teacher's and the student's distributions are softened by.
        teacher_unlabelled: images of `data.unlabelled` a step, for each labelled one.
        teacher_views: how many augmentations of each image there are, the same in every training of a run, so that the
            teacher answers to each once; 0 for new ones in each epoch.
        teacher_mean, teacher_std: normalisation of an ONNX file that lies in no export, a number a channel for pixels
            in 0..1; None for that of the training images.
    """

    epochs: int = 20
    cutout: float = 0.25
    average: float = 0.05
    holdout: bool = False
    teacher: str | None = None
    teacher_width: int = 2
    teacher_weight: float = 1.0
    teacher_temperature: float = 1.0
    teacher_unlabelled: float = 1.0
    teacher_views: int = 0
    teacher_mean: tuple[float, ...] | None = None
    teacher_std: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        """Checks every value; raises UserError."""
        super().__post_init__()
        check_flag("holdout", self.holdout)
        if self.teacher is not None:
            check_path("teacher", self.teacher)
        check_whole("teacher_width", self.teacher_width, 1, 64)
        check_number("teacher_weight", self.teacher_weight, 0, 1, above=True)
        check_number("teacher_temperature", self.teacher_temperature, 0, 1000, above=True)
        check_number("teacher_unlabelled", self.teacher_unlabelled, 0, 64, above=True)
        check_whole("teacher_views", self.teacher_views, 0, 10_000)
        if self.teacher_views and (self.mixup or self.cutmix):
            raise UserError(
                f"teacher_views={self.teacher_views}: expected 0 with mixup or cutmix, which blend anew in each epoch"
            )
        _check_channels("teacher_mean", self.teacher_mean, "numbers")
        _check_channels("teacher_std", self.teacher_std, "numbers above 0")

    @property
    def taught(self) -> dict[str, float]:
        """How much of the loss is the teacher's, and at what temperature."""
        return {"weight": self.teacher_weight, "temperature": self.teacher_temperature}


def _check_channels(name: str, values: object, expected: str) -> None:
    """Raises UserError unless `values` is None or a number for each of 1 or 3 channels."""
    if values is None:
        return
    numbers = values if isinstance(values, tuple) else ()
    positive = "above" not in expected or all(is_number(value) and value > 0 for value in numbers)
    if len(numbers) not in (1, 3) or not all(map(is_number, numbers)) or not positive:
        raise UserError(f"{name}={values!r}, expected null or {expected}, one a channel: [0.485,0.456,0.406]")
