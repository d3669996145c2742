"""Scheduled drop path: in training, edges of cells are left out at random, ever more often."""

from __future__ import annotations

from torch import Tensor, nn


class DropPath(nn.Module):
    """Sets an edge's result to zero with some probability, for each image by itself; identity in eval mode.

    What is kept is scaled up so that the expectation stays. The probability grows linearly over training, up to the one
    given here; the caller scales that with depth (Zoph et al., CVPR 2018, and the NASNet reference).

    Args:
        at_end: probability at the end of training, 0 to below 1.
    """

    def __init__(self, at_end: float) -> None:
        super().__init__()
        self.at_end = at_end
        self.probability = at_end

    def set_progress(self, fraction: float) -> None:
        """Sets the probability of a moment of training, from 0 (the start) to 1 (the end)."""
        self.probability = self.at_end * min(max(fraction, 0.0), 1.0)

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or not self.probability:
            return x
        keep = 1 - self.probability
        mask = x.new_empty((x.shape[0], 1, 1, 1)).bernoulli_(keep).div_(keep)
        return x * mask
