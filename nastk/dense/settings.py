"""How a backbone and its head are trained."""

from __future__ import annotations

from dataclasses import dataclass

from nastk.checks import MOST, check_flag, check_number, check_whole
from nastk.errors import UserError
from nastk.training.recipe import BF16, FP32, TIMED, Recipe


@dataclass(frozen=True)
class DenseSettings(Recipe):
    """A recipe, and what every dense training can be told beside it.

    Of the recipe, label smoothing, the auxiliary head and the captured graph are a classifier's, and of no effect here.

    Attributes:
        average: share of the steps that the moving average of the weights remembers; 0 for no average.
        flip: whether images and targets are mirrored, every other time by chance.
        seed: of the weights, of the batches and of drop path.
        device: "auto", "cpu", "cuda" or "cuda:1".
        threads: CPU threads to train with; None for all.
    """

    epochs: int = 40
    batch: int = 8
    optimizer: str = "adamw"
    learning_rate: float = 2e-3
    warmup: float = 0.1
    weight_decay: float = 0.05
    graph: bool | str = False
    average: float = 0.05
    flip: bool = False
    seed: int = 0
    device: str = "auto"
    threads: int | None = None

    def __post_init__(self) -> None:
        """Checks every value; raises UserError."""
        super().__post_init__()
        check_number("average", self.average, 0, 1)
        check_flag("flip", self.flip)
        if self.precision == TIMED:
            raise UserError(f"precision={TIMED}: times steps of classifiers, expected {FP32} or {BF16} here, or auto")
        check_whole("seed", self.seed, 0, MOST)
        if self.threads is not None:
            check_whole("threads", self.threads, 1, 1024)
