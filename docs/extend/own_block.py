"""A block family of one's own: the ghost module, half of whose channels are made of the other half at little cost."""

import torch
from torch import Tensor, nn

from nastk.blocks.register import block
from nastk.genotype.blocks import Block, enter, kernel
from nastk.ops.conv import conv_bn

enter(Block("ghost", __name__, "ghost module (Han et al., CVPR 2020)", {"kernel": kernel(1), "cheap": kernel(3)}))


class Ghost(nn.Module):
    """A convolution to half of the channels, and a depthwise one of these for the others."""

    def __init__(self, channels_in: int, channels_out: int, stride: int, kernel: int, cheap: int) -> None:
        super().__init__()
        half = channels_out // 2
        self.primary = nn.Sequential(
            *conv_bn(channels_in, channels_out - half, kernel=kernel, stride=stride), nn.ReLU()
        )
        self.cheap = nn.Sequential(
            nn.Conv2d(channels_out - half, half, cheap, padding=cheap // 2, groups=half, bias=False),
            nn.BatchNorm2d(half),
            nn.ReLU(),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Maps (N, channels_in, H, W) to (N, channels_out, ceil(H / stride), ceil(W / stride))."""
        first = self.primary(x)
        return torch.cat((first, self.cheap(first)), 1)


@block("ghost")
def ghost(channels_in: int, channels_out: int, stride: int, drop: float, *, kernel: int, cheap: int) -> nn.Module:
    """Ghost module; `drop` is for blocks with a residual branch."""
    return Ghost(channels_in, channels_out, stride, kernel, cheap)
