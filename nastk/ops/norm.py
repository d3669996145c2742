"""Layer normalisation of maps: each pixel by the mean and variance of its own channels."""

from __future__ import annotations

from torch import Tensor, nn


class ChannelNorm(nn.LayerNorm):
    """Normalises the channels of every pixel, with a scale and a shift a channel.

    Ba, Kiros, Hinton, "Layer Normalization", arXiv 1607.06450, as Liu et al., "A ConvNet for the 2020s", CVPR 2022, use
    it on maps.

    Shapes: (N, channels, H, W) to the same.

    Args:
        channels: of the maps.
        eps: added to the variance.
    """

    def __init__(self, channels: int, eps: float = 1e-6) -> None:
        super().__init__(channels, eps)

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
