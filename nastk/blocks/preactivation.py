"""Pre-activation residual blocks: He, Zhang, Ren, Sun, "Identity Mappings in Deep Residual Networks", ECCV 2016.

Nothing stands on the way from one block's sum to the next, so a body of them ends with the block `norm`.
"""

from __future__ import annotations

from torch import Tensor, nn

from nastk.blocks.layers import activation, conv, norm_act_conv
from nastk.blocks.register import block
from nastk.ops.drop_path import DropPath


class PreActivation(nn.Module):
    """The sum of a branch of the activated input and of a shortcut.

    The shortcut is the input as it came where sizes agree, else a 1x1 convolution of the activated input, without
    normalisation.

    Shapes: (N, channels_in, H, W) to (N, channels_out, ceil(H / stride), ceil(W / stride)).

    Args:
        first: normalisation and activation.
        branch: what is made of their result.
        shortcut: made of it too; None for the input itself.
        drop: probability of dropping the branch at the end of training.
    """

    def __init__(self, first: nn.Module, branch: nn.Module, shortcut: nn.Module | None, drop: float = 0.0) -> None:
        super().__init__()
        self.first = first
        self.branch = branch
        self.shortcut = shortcut
        self.drop: nn.Module = DropPath(drop) if drop else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        activated = self.first(x)
        kept = x if self.shortcut is None else self.shortcut(activated)
        result: Tensor = self.drop(self.branch(activated)) + kept
        return result


def _made(
    branch: list[nn.Module], channels_in: int, channels_out: int, stride: int, act: str, drop: float
) -> PreActivation:
    same = channels_in == channels_out and stride == 1
    shortcut = None if same else conv(channels_in, channels_out, 1, stride)
    first = nn.Sequential(nn.BatchNorm2d(channels_in), *activation(act))
    return PreActivation(first, nn.Sequential(*branch), shortcut, drop)


@block("preact_basic")
def basic(channels_in: int, channels_out: int, stride: int, drop: float, *, act: str) -> nn.Module:
    """Two 3x3 convolutions, the first of which strides."""
    branch = [conv(channels_in, channels_out, 3, stride), *norm_act_conv(channels_out, channels_out, 3, act=act)]
    return _made(branch, channels_in, channels_out, stride, act, drop)


@block("preact_bottleneck")
def bottleneck(
    channels_in: int, channels_out: int, stride: int, drop: float, *, act: str, expansion: float
) -> nn.Module:
    """1x1, 3x3 and 1x1 convolutions, the middle ones `expansion` times narrower; the 3x3 strides."""
    inner = max(round(channels_out / expansion), 1)
    branch = [
        conv(channels_in, inner),
        *norm_act_conv(inner, inner, 3, stride, act),
        *norm_act_conv(inner, channels_out, act=act),
    ]
    return _made(branch, channels_in, channels_out, stride, act, drop)
