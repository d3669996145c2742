"""An operation of one's own: a convolution whose channels are opened and closed by what is seen at each pixel."""

from torch import Tensor, nn

from nastk.genotype.ops import OpFacts, enter_op
from nastk.ops import op

enter_op(OpFacts("gated_conv_3x3", "convolution"))


class GatedConv(nn.Module):
    """Product of a convolution and a sigmoid gate (Dauphin et al., ICML 2017), both after ReLU."""

    def __init__(self, channels_in: int, channels_out: int, stride: int) -> None:
        super().__init__()
        self.relu = nn.ReLU()
        self.conv = nn.Conv2d(channels_in, channels_out, 3, stride, padding=1, bias=False)
        self.gate = nn.Conv2d(channels_in, channels_out, 1, stride)
        self.open = nn.Sigmoid()
        self.norm = nn.BatchNorm2d(channels_out)

    def forward(self, x: Tensor) -> Tensor:
        """Maps (N, channels_in, H, W) to (N, channels_out, ceil(H / stride), ceil(W / stride))."""
        x = self.relu(x)
        return self.norm(self.conv(x) * self.open(self.gate(x)))


@op("gated_conv_3x3")
def gated_conv(channels_in: int, channels_out: int, stride: int) -> nn.Module:
    """Gated 3x3 convolution."""
    return GatedConv(channels_in, channels_out, stride)
