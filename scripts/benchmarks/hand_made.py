"""Networks made by hand, of adjustable width: what a search has to beat on the same data, recipe and budget."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn


class InvertedResidual(nn.Module):
    """1x1 up, depthwise 3x3, 1x1 down without activation, a shortcut where the shapes allow (Sandler et al. 2018)."""

    def __init__(self, channels_in: int, channels_out: int, stride: int, expansion: int) -> None:
        super().__init__()
        hidden = channels_in * expansion
        up = [*_conv(channels_in, hidden, 1), nn.ReLU(inplace=True)] if expansion > 1 else []
        self.body = nn.Sequential(
            *up,
            *_conv(hidden, hidden, 3, stride, groups=hidden),
            nn.ReLU(inplace=True),
            *_conv(hidden, channels_out, 1),
        )
        self.shortcut = stride == 1 and channels_in == channels_out

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.body(x)
        return x + y if self.shortcut else y


def mobilenet_v2(width: int, channels: int, classes: int) -> nn.Module:
    """MobileNetV2's block in its proportions, for small images: three resolutions, two or three blocks in each.

    The paper's network has 17 blocks at 5 resolutions for 224 pixels; as is usual for 28 to 32 pixels the first strides
    are left out (Sandler et al., CVPR 2018, arXiv 1801.04381; ReLU for its ReLU6).

    Args:
        width: channels of the first stage.
        channels: of the image.
        classes: logits.
    """
    plan = [(width, 1, 1, 1), (width * 3 // 2, 2, 1, 6), (width * 2, 3, 2, 6), (width * 4, 3, 2, 6)]
    layers: list[nn.Module] = [*_conv(channels, width * 2, 3), nn.ReLU(inplace=True)]
    before = width * 2
    for filters, blocks, stride, expansion in plan:
        for block in range(blocks):
            layers.append(InvertedResidual(before, filters, stride if block == 0 else 1, expansion))
            before = filters
    layers += [*_conv(before, before * 4, 1), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(before * 4, classes))


def plain(width: int, channels: int, classes: int) -> nn.Module:
    """VGG's plan at a small size: two 3x3 convolutions at each of three resolutions, doubling the width.

    Simonyan and Zisserman 2015, arXiv 1409.1556, with batch normalisation and global pooling for its dense layers.

    Args:
        width: channels of the first stage.
        channels: of the image.
        classes: logits.
    """
    layers: list[nn.Module] = []
    before = channels
    for stage in range(3):
        filters = width * 2**stage
        for stride in (1 if stage == 0 else 2, 1):
            layers += [*_conv(before, filters, 3, stride), nn.ReLU(inplace=True)]
            before = filters
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(before, classes))


HAND_MADE: dict[str, Callable[[int, int, int], nn.Module]] = {"MobileNetV2-like": mobilenet_v2, "plain 3x3": plain}


def _conv(channels_in: int, channels_out: int, kernel: int, stride: int = 1, groups: int = 1) -> list[nn.Module]:
    convolution = nn.Conv2d(channels_in, channels_out, kernel, stride, kernel // 2, groups=groups, bias=False)
    return [convolution, nn.BatchNorm2d(channels_out)]
