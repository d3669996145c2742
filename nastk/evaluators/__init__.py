"""Evaluators say how good a genotype is; what they promise, and how they say that a candidate has no result."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nastk.genotype import Genotype

if TYPE_CHECKING:  # a table's evaluator does without torch
    from torch import Tensor

    from nastk.networks import NetworkConfig

Report = Callable[[int, float], None]


class EvaluationFailed(Exception):  # noqa: N818 - it is an outcome of a trial, recorded as "failed"
    """A candidate that gives no result: it diverged, ran out of memory or of time.

    Attributes:
        reason: in one line, what the trial's record says.
    """

    def __init__(self, reason: str) -> None:
        self.reason = " ".join(reason.split())
        super().__init__(self.reason)


class Pruned(Exception):  # noqa: N818 - as above, recorded as "pruned"
    """Raised by a `Report` to end the evaluation of a candidate that is not worth more epochs."""


class Evaluator(ABC):
    """Scores genotypes. Only `evaluate` has to be written; the rest says what a search does beside it.

    Attributes:
        cost: tells what a candidate costs before it is evaluated, by metric; None has its network measured on the
            target. Overridden as a method.
        epochs: after which an evaluation ends by itself, so that it is not pruned there; None where that is not known.
        device: that it trains on, by name; None where it trains on none.
        threads: of the CPU that it trains with; None for what the executor gives it.
    """

    cost: Callable[[Genotype], Mapping[str, float]] | None = None
    epochs: int | None = None
    device: str | None = None
    threads: int | None = None

    @property
    def network_config(self) -> NetworkConfig | None:
        """What candidates are built as, for their cost to be measured; None where they are no networks."""
        return None

    @abstractmethod
    def evaluate(self, genotype: Genotype, report: Report) -> dict[str, float]:
        """Scores one genotype.

        Args:
            genotype: the candidate.
            report: is called after each epoch with the number of epochs done and the validation accuracy (0..1).

        Returns:
            Metrics by name, "accuracy" (0..1) among them.

        Raises:
            EvaluationFailed: this candidate has no result; others may have one.
            Pruned: `report` raised it.
        """

    def prepare(self, folder: Path) -> None:  # noqa: B027 - most evaluators need nothing
        """Does once what all candidates need, as to train a network whose weights they share.

        It is called in the search's own process, before the first candidate; again when a search goes on that was
        stopped or killed, and is then to take up what it finds.

        Args:
            folder: in the run folder, for whatever is to be kept; the first who writes there makes it.

        Raises:
            UserError: it cannot be done.
        """

    def load(self, folder: Path) -> None:  # noqa: B027 - as above
        """Takes what `prepare` left; called once in each process that evaluates, before its first candidate.

        Args:
            folder: the same; workers on other machines see it where the run folder lies on a shared disk.
        """

    def carried(self, device: str | None = None) -> Evaluator | None:
        """Returns this evaluator as another machine takes it; None where that makes its own, from the configuration.

        Args:
            device: that it trains on there; None for the one that is set.
        """
        return None

    def batch_of(self, size: int, count: int) -> tuple[Tensor, Tensor] | None:
        """Returns some of the training images, for scores of untrained networks; None where there are none.

        Args:
            size: of the images, pixels a side.
            count: how many, about.

        Returns:
            images, normalised, float (n, channels, size, size), and labels, int64 (n,); on the device that candidates
            train on.
        """
        return None

    def data_record(self) -> dict[str, Any] | None:
        """Returns which images candidates are trained and scored on, for data.json; None where it trains on none."""
        return None

    def data_lines(self) -> list[str]:
        """Returns what a user is told of the images before the search.

        Raises:
            UserError: a part that is used later only is not what it should be.
        """
        return []

    def skipped_images(self) -> int:
        """Returns how many images could not be read so far and were left out."""
        return 0
