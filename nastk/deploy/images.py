"""Images as an exported network takes them: from a data source's bytes to normalised arrays."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nastk.errors import UserError
from nastk.networks import NetworkConfig


class LabelledImages(Protocol):
    """Images of one size with int64 labels `y` (n,), in memory or decoded when asked for."""

    @property
    def y(self) -> Tensor: ...

    def pixels(self, indices: Tensor) -> Tensor:
        """Returns the images at `indices` (int64) as uint8 (b, C, H, W)."""
        ...

    def batches(self, batch: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yields all images in order, `batch` at once, as uint8 (b, C, H, W) with their labels (b,)."""
        ...


class ImageSource(Protocol):
    """A data source as far as deployment needs one; those of `nastk.data.sources` are."""

    @property
    def name(self) -> str: ...
    @property
    def classes(self) -> tuple[str, ...]: ...
    @property
    def channels(self) -> int: ...
    @property
    def size(self) -> int: ...

    def train(self) -> LabelledImages:
        """Returns the training images."""
        ...

    def test(self) -> LabelledImages:
        """Returns the test images."""
        ...


def check_source(data: ImageSource, config: NetworkConfig, classes: Sequence[str]) -> None:
    """Raises UserError unless the network was trained for images and classes like these."""
    found, expected = (data.channels, data.size, data.size), config.shape
    if found != expected:
        raise UserError(f"data {data.name}: images of shape {found}, the network takes {expected}")
    if tuple(data.classes) != tuple(classes):
        raise UserError(f"data {data.name}: classes {_names(data.classes)}, the network knows {_names(classes)}")


def normalised(pixels: Tensor, mean: Sequence[float], std: Sequence[float]) -> NDArray[np.float32]:
    """Returns (pixel / 255 - mean) / std in float32 of uint8 (n, C, H, W); mean and std are a number a channel."""
    shape = (1, -1, 1, 1)
    offset, scale = np.asarray(mean, np.float32).reshape(shape), np.asarray(std, np.float32).reshape(shape)
    return (pixels.numpy().astype(np.float32) / np.float32(255) - offset) / scale


def balanced(images: LabelledImages, count: int, seed: int = 0) -> Tensor:
    """Returns up to `count` images (uint8), drawn at random from all classes in turn."""
    return images.pixels(balanced_indices(images, count, seed))


def balanced_indices(images: LabelledImages, count: int, seed: int = 0) -> Tensor:
    """Returns where the images of `balanced` lie, int64."""
    order = torch.randperm(len(images.y), generator=torch.Generator().manual_seed(seed))
    labels = images.y.cpu()[order].numpy()
    by_class = np.argsort(labels, kind="stable")
    firsts = np.searchsorted(labels[by_class], labels[by_class])
    turn = np.empty(len(labels), np.int64)
    turn[by_class] = np.arange(len(labels)) - firsts
    chosen = np.argsort(turn, kind="stable")[:count]
    return order[torch.from_numpy(chosen)]


def _names(classes: Sequence[Any]) -> str:
    text = ", ".join(map(str, classes))
    return text if len(text) <= 60 else f"{text[:57]}... ({len(classes)})"
