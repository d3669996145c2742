"""What a training takes its batches from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

import torch

from nastk.training.share import Share


class BatchStream(Protocol):
    """Batches of one size, an epoch at each iteration, a function of the epoch alone.

    Attributes:
        epoch: which epoch the next iteration gives, counted from 0.
        skip: how many of its batches the next iteration leaves out: those before a checkpoint.
        share: which part of each batch this process gets.
    """

    epoch: int
    skip: int
    share: Share

    @property
    def device(self) -> torch.device:
        """Where the batches are."""

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Images that this process gets at a time, channels, height and width: the same for all batches."""

    def __len__(self) -> int:
        """Returns how many batches an epoch has."""
        ...

    def __iter__(self) -> Iterator[Any]:
        """Yields images, and what is true of them."""
        ...
