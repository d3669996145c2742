"""A network as a backbone: its feature maps at several strides instead of logits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol

import torch
from torch import Tensor, nn

from nastk.errors import UserError

STRIDES = (4, 8, 16, 32)


class FeatureInfo(NamedTuple):
    """What is known of a feature map: its channels, and how many pixels of the image one of it is."""

    channels: int
    stride: int


class Walks(Protocol):
    """A network that says what comes out of each of its stages."""

    def walk(self, image: Tensor) -> Iterator[Tensor]: ...


class FeatureNetwork(nn.Module):
    """The feature maps of a network at some strides: the last map of each stride before head and classifier.

    That is timm's convention of `features_only`; strides that the network does not reach are left out, see `info`.

    Args:
        network: a network of stages or of cells. Its head and classifier, which compute nothing here, are taken off.
        channels: of the image.
        height: of the image, pixels.
        width: of the image, pixels.
        strides: that are wanted, in ascending order.

    Shapes: (N, channels, height, width) to one (N, `info[i].channels`, height / stride, width / stride) each, the
    sizes rounded up.

    Raises:
        UserError: the network has no map of any of the strides.
    """

    def __init__(
        self, network: nn.Module, channels: int, height: int, width: int, strides: Sequence[int] = STRIDES
    ) -> None:
        super().__init__()
        found = {}
        for place, (map_channels, side) in enumerate(_maps(network, channels, height, width)):
            stride = next((one for one in strides if -(-height // one) == side), None)
            if stride is not None:
                found[stride] = (place, map_channels)
        if not found:
            raise UserError(f"features: no map of stride {', '.join(map(str, strides))} for {height}x{width} pixels")
        self.info = tuple(FeatureInfo(found[stride][1], stride) for stride in sorted(found))
        self._places = tuple(found[stride][0] for stride in sorted(found))
        for name in ("head", "classifier", "auxiliary"):
            if getattr(network, name, None) is not None:
                setattr(network, name, nn.Identity() if name != "auxiliary" else None)
        self.network = network

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        walked: Walks = self.network  # type: ignore[assignment]
        maps = list(walked.walk(image))
        return tuple(maps[place] for place in self._places)


def _maps(network: nn.Module, channels: int, height: int, width: int) -> list[tuple[int, int]]:
    """Returns channels and height of the map that each stage gives, by running one image."""
    walked: Walks = network  # type: ignore[assignment]
    training = [part for part in network.modules() if part.training]
    device = next(network.parameters()).device
    network.eval()
    try:
        with torch.no_grad():
            return [
                (one.shape[1], one.shape[2])
                for one in walked.walk(torch.zeros(1, channels, height, width, device=device))
            ]
    finally:
        for part in training:
            part.training = True
