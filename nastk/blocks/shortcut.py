"""The shortcut of mobile blocks: the identity around a branch that changes neither channels nor resolution."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from nastk.ops.drop_path import DropPath


class Shortcut(nn.Module):
    """The sum of a branch and what comes in.

    Shapes: (N, channels, H, W) to the same.

    Args:
        branch: keeps the shape.
        drop: probability of dropping the branch at the end of training.
    """

    def __init__(self, branch: nn.Module, drop: float = 0.0) -> None:
        super().__init__()
        self.branch = branch
        self.drop: nn.Module = DropPath(drop) if drop else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.drop(self.branch(x)) + x
        return result


def with_shortcut(layers: Sequence[nn.Module], keeps_shape: bool, drop: float) -> nn.Module:
    """Returns the layers one after the other, with a shortcut around them where they keep the shape."""
    branch = nn.Sequential(*layers)
    return Shortcut(branch, drop) if keeps_shape else branch
