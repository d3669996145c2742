"""How to export: what int8 may lose, what it is calibrated on, how long files are timed."""

from __future__ import annotations

from dataclasses import dataclass

from nastk.checks import check_number, check_whole
from nastk.deploy.precision.calibrate import Method

MOST_IMAGES = 10**6


@dataclass(frozen=True)
class ExportSettings:
    """How to export.

    Attributes:
        max_accuracy_drop: int8 that loses more than this share of the held-out images, or of the test images where none
            were held out, is not recommended.
        calibration: training images that the int8 ranges are taken from.
        calibration_method: how: "min_max", "percentile" or "entropy"; see `Method`.
        percentile: of the values that "percentile" keeps.
        seconds: of latency measurement a file.
        sensitivity: whether layers are ranked by what int8 costs them, and the worst kept in float32 until int8 loses
            no more than `max_accuracy_drop`, on images that are not test images.
        licence: of the weights, for the model card; None where nobody has decided.

    Raises:
        UserError: a value that cannot be.
    """

    max_accuracy_drop: float = 0.005
    calibration: int = 256
    calibration_method: str = "min_max"
    percentile: float = 99.99
    seconds: float = 1.0
    sensitivity: bool = False
    licence: str | None = None

    def __post_init__(self) -> None:
        check_number("export: max_accuracy_drop", self.max_accuracy_drop, 0, 1, kind="a share")
        check_whole("export: calibration", self.calibration, 1, MOST_IMAGES)
        _ = self.method

    @property
    def method(self) -> Method:
        """How ranges are taken from values."""
        return Method(self.calibration_method, self.percentile)
