"""The network: a stem, stages that each read the two before, a head, and in training a second head halfway."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from torch import Tensor, nn

from nastk.blocks.cell import CellModule


class Stem(nn.Module):
    """Makes the two states that the first stage reads from the image: one of them twice, or two in a row."""

    def __init__(self, first: nn.Module, second: nn.Module | None = None) -> None:
        super().__init__()
        self.first = first
        self.second = second

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        previous: Tensor = self.first(image)
        return previous, previous if self.second is None else self.second(previous)


class Network(nn.Module):
    """A genotype's network.

    Args:
        stem: image to the two states that the first stage reads.
        stages: cells and the like, called with the outputs of the two stages before, the older first.
        head: the last stage's output to logits.
        auxiliary: head for training on the output of stage `auxiliary_after`, if there is one.
        auxiliary_after: index of that stage.

    Shapes: (N, channels, size, size) to logits (N, classes); in training mode with an auxiliary head to a pair of them,
    the auxiliary one second.
    """

    def __init__(
        self,
        stem: Stem,
        stages: Sequence[nn.Module],
        head: nn.Module,
        auxiliary: nn.Module | None = None,
        auxiliary_after: int = -1,
    ) -> None:
        super().__init__()
        self.stem = stem
        self.stages = nn.ModuleList(stages)
        self.head = head
        self.auxiliary = auxiliary
        self.auxiliary_after = auxiliary_after

    def set_drop_path_progress(self, fraction: float) -> None:
        """Sets how far training is, from 0 to 1; drop path grows with it."""
        for stage in self.stages:
            if isinstance(stage, CellModule):
                stage.drop.set_progress(fraction)

    def walk(self, image: Tensor) -> Iterator[Tensor]:
        """Yields what comes out of the stem, then out of each stage."""
        previous, latest = self.stem(image)
        yield latest
        for stage in self.stages:
            previous, latest = latest, stage(previous, latest)
            yield latest

    def forward(self, image: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        auxiliary: Tensor | None = None
        latest = image
        for index, latest in enumerate(self.walk(image), start=-1):  # the stem is the one before the first stage
            if self.training and self.auxiliary is not None and index == self.auxiliary_after:
                auxiliary = self.auxiliary(latest)
        logits: Tensor = self.head(latest)
        return logits if auxiliary is None else (logits, auxiliary)
