"""A network as a backbone: its feature maps at several strides instead of logits."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor, nn

from nastk.errors import UserError

STRIDES = (4, 8, 16, 32)
GROWTH = 128  # pixels, a multiple of every stride that there is


class NoMapsError(UserError):
    """A network that is no backbone for images of this size."""


class FeatureInfo(NamedTuple):
    """What is known of a feature map: its channels, how many pixels of the image one of it is, and its own size."""

    channels: int
    stride: int
    height: int
    width: int


class Walks(Protocol):
    """A network that says what comes out of each of its stages."""

    def walk(self, image: Tensor) -> Iterator[Tensor]: ...


class FeatureNetwork(nn.Module):
    """The feature maps of a network at some strides: the last map of each stride before head and classifier.

    That is timm's convention of `features_only`; strides that the network does not reach are left out, see `info`. A
    stride is that of the network's windows: where these are not padded, a map is a little smaller than it says.

    Args:
        network: a network of stages or of cells. Its head and classifier, which compute nothing here, are taken off.
        channels: of the image.
        height: of the image, pixels.
        width: of the image, pixels.
        strides: that are wanted, in ascending order.

    Shapes: (N, channels, height, width) to one (N, `info[i].channels`, `info[i].height`, `info[i].width`) each.

    Raises:
        NoMapsError: the network has no map of any of the strides, or the images have fewer pixels than one is made of.
    """

    def __init__(
        self, network: nn.Module, channels: int, height: int, width: int, strides: Sequence[int] = STRIDES
    ) -> None:
        super().__init__()
        if not hasattr(network, "walk"):
            raise NoMapsError(f"features: {type(network).__name__} has no feature maps")
        found = {one.stride: (place, one) for place, one in enumerate(_maps(network, channels, height, width))}
        found = {stride: found[stride] for stride in strides if stride in found}
        if not found:
            raise NoMapsError(f"features: no map of stride {', '.join(map(str, strides))} for {height}x{width} pixels")
        if min(height, width) < max(found):
            raise NoMapsError(
                f"features: images of {height}x{width} pixels, expected at least {max(found)} a side: so many pixels "
                "one of the last map stands for"
            )
        self.info = tuple(info for _, info in found.values())
        self._places = tuple(place for place, _ in found.values())
        for name in ("head", "classifier", "auxiliary"):
            if getattr(network, name, None) is not None:
                setattr(network, name, nn.Identity() if name != "auxiliary" else None)
        self.network = network

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        walked: Walks = self.network  # type: ignore[assignment]
        maps = list(walked.walk(image))
        return tuple(maps[place] for place in self._places)


def map_names(info: Sequence[FeatureInfo]) -> tuple[str, ...]:
    """Returns the names of the maps, as the ONNX files' outputs have them."""
    return tuple(f"stride{one.stride}" for one in info)


def map_facts(info: Sequence[FeatureInfo]) -> list[dict[str, Any]]:
    """Returns the maps as plain values."""
    return [{"name": name, **one._asdict()} for name, one in zip(map_names(info), info, strict=True)]


def _maps(network: nn.Module, channels: int, height: int, width: int) -> list[FeatureInfo]:
    """Returns what is known of the map that each stage gives, from two images without content.

    A map grows by one pixel where the image grows by its stride, whatever is lost at the borders.
    """
    shadow: nn.Module = copy.deepcopy(network).to("meta").eval()
    walked: Walks = shadow  # type: ignore[assignment]
    sizes = []
    try:
        with torch.no_grad():
            for more in (0, GROWTH):
                image = torch.empty(1, channels, height + more, width + more, device="meta")
                sizes.append([one.shape[1:] for one in walked.walk(image)])
    except RuntimeError as error:
        raise NoMapsError(f"features: images of {height}x{width} pixels do not go through it ({error})") from None
    return [
        FeatureInfo(small[0], GROWTH // (large[1] - small[1]) if large[1] > small[1] else 0, small[1], small[2])
        for small, large in zip(*sizes, strict=True)
    ]
