"""Which part of each batch is whose, where several processes are one training, and what they add up."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor


@dataclass(frozen=True)
class Share:
    """A process's share of a training.

    Attributes:
        rank: number of this process, from 0.
        ranks: how many there are.
        ddp: whether Lightning trains with DDP, in a process group that is there already.
    """

    rank: int = 0
    ranks: int = 1
    ddp: bool = False

    @staticmethod
    def of_group() -> Share:
        """Returns this process's share in the process group."""
        return Share(dist.get_rank(), dist.get_world_size(), ddp=True)

    @property
    def first(self) -> bool:
        """Whether this process is the one that writes files."""
        return self.rank == 0

    def part_of_each(self, batches: Tensor) -> Tensor:
        """Returns this process's part of each batch, one after the other.

        Args:
            batches: (batches, images a batch), the latter a multiple of `ranks`.
        """
        return batches.chunk(self.ranks, dim=1)[self.rank].flatten()

    def sum(self, value: Tensor) -> Tensor:
        """Returns the sum over all processes, the same bits in each; `value` holds it as well."""
        if self.ranks > 1:
            dist.all_reduce(value)
        return value

    def gather(self, value: Tensor) -> list[Tensor]:
        """Returns the values of all processes by rank."""
        values = [torch.empty_like(value) for _ in range(self.ranks)]
        if self.ranks > 1:
            dist.all_gather(values, value)
            return values
        return [value.clone()]
