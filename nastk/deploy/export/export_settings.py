"""How to export: what int8 may lose, what it is calibrated on, how long files are timed."""

from __future__ import annotations

from dataclasses import dataclass

from nastk.deploy.precision.calibrate import Method
from nastk.errors import UserError

MOST_IMAGES = 10**6


@dataclass(frozen=True)
class ExportSettings:
    """How to export.

    Attributes:
        max_accuracy_drop: int8 that loses more than this share of the test images is not recommended.
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
        drop = self.max_accuracy_drop
        if isinstance(drop, bool) or not isinstance(drop, int | float) or not 0 <= drop <= 1:
            raise UserError(f"export: max_accuracy_drop={drop!r}, expected a share from 0 to 1")
        count = self.calibration
        if isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= MOST_IMAGES:
            raise UserError(
                f"export: calibration={count!r}, expected a whole number of at least 1, at most {MOST_IMAGES}"
            )
        _ = self.method

    @property
    def method(self) -> Method:
        """How ranges are taken from values."""
        return Method(self.calibration_method, self.percentile)
