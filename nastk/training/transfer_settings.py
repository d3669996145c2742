"""How the final network is trained: what every training can be told, and what only the last one needs."""

from __future__ import annotations

import dataclasses

from nastk.checks import check_flag
from nastk.training.settings import TrainingSettings


@dataclasses.dataclass(frozen=True)
class TransferSettings(TrainingSettings):
    """How the final network is trained.

    Attributes:
        holdout: whether the data source's validation images are held out of the training and scored, so that several
            networks can be ranked without a look at the test images.
    """

    epochs: int = 20
    cutout: float = 0.25
    average: float = 0.05
    holdout: bool = False

    def __post_init__(self) -> None:
        """Checks every value; raises UserError."""
        super().__post_init__()
        check_flag("holdout", self.holdout)
