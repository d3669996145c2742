"""Shuffled, mirrored, normalised batches of images with targets, and all of a split in order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from nastk.data.normalisation import Normalisation
from nastk.dense.task import DenseImages, DenseTask, Target
from nastk.seeds import derive_seed
from nastk.training.share import Share

SCORED = 16  # images at once
# Of red, green and blue in a grey image: ITU-R BT.601, as Pillow's mode L.
LUMA = (0.299, 0.587, 0.114)

Batch = tuple[Tensor, Sequence[Target]]


class DenseBatches:
    """The training batches of one size; the short rest of an epoch is left out.

    What an epoch holds is a function of (`seed`, `epoch`) alone, so that a resumed training sees what an unbroken one
    would have seen.

    Attributes:
        epoch: which epoch the next iteration gives, counted from 0.
        skip: how many of its batches the next iteration leaves out: those before a checkpoint.
        seed: all that is drawn follows from it and the epoch.
        device: where the batches are.
        share: the whole of each batch, for there is one process.
        shape: of a batch's images.
    """

    def __init__(
        self,
        images: DenseImages,
        normalisation: Normalisation,
        task: DenseTask,
        *,
        batch: int,
        flip: bool,
        seed: int,
        device: torch.device,
    ) -> None:
        """Prepares batches of `batch` images, of which there are as many at least."""
        _, height, width, _ = images.images.shape
        self.epoch = 0
        self.skip = 0
        self.seed = seed
        self.device = device
        self.share = Share()
        self.shape = batch, len(normalisation.mean), height, width
        self._images = images
        self._normalisation = normalisation
        self._task = task
        self._flip = flip

    def __len__(self) -> int:
        return len(self._images.targets) // self.shape[0]

    def __iter__(self) -> Iterator[Batch]:
        """Yields float (batch, channels, height, width) in channels_last layout, and a target for each."""
        generator = torch.Generator().manual_seed(derive_seed(self.seed, "batches", self.epoch))
        order = torch.randperm(len(self._images.targets), generator=generator)
        mirrored = torch.rand(len(order), generator=generator) < (0.5 if self._flip else 0.0)
        batch, skip, self.skip = self.shape[0], self.skip, 0
        for start in range(skip * batch, len(self) * batch, batch):
            part = slice(start, start + batch)
            yield self._batch(order[part], mirrored[part])

    def _batch(self, places: Tensor, mirrored: Tensor) -> Batch:
        pixels = self._images.images[places]
        pixels[mirrored] = pixels[mirrored].flip(2)
        targets = [self._images.targets[place] for place in places.tolist()]
        width = pixels.shape[2]
        flipped = [
            self._task.mirrored(target, width) if mirror else target
            for target, mirror in zip(targets, mirrored.tolist(), strict=True)
        ]
        return on_device(pixels, flipped, self._normalisation, self.device)


def in_order(images: DenseImages, normalisation: Normalisation, device: torch.device) -> Iterator[Batch]:
    """Yields all images of a split as they are, normalised, some at a time, with their targets."""
    for start in range(0, len(images.targets), SCORED):
        part = slice(start, start + SCORED)
        yield on_device(images.images[part], images.targets[part], normalisation, device)


def on_device(pixels: Tensor, targets: Sequence[Target], normalisation: Normalisation, device: torch.device) -> Batch:
    """Returns uint8 (n, height, width, 3) as a network reads it, and the targets, on the device."""
    shown = as_read(pixels.to(device), len(normalisation.mean)).float() / 255
    mean, std = (torch.tensor(values, device=device) for values in (normalisation.mean, normalisation.std))
    normal = ((shown - mean) / std).permute(0, 3, 1, 2)
    return normal, [_moved(target, device) for target in targets]


def as_read(pixels: Tensor, channels: int) -> Tensor:
    """Returns uint8 (n, height, width, channels) of colour images, grey ones where there is one channel."""
    if channels == pixels.shape[3]:
        return pixels
    weights = torch.tensor(LUMA, device=pixels.device)
    return (pixels.float() @ weights).round().to(torch.uint8).unsqueeze(-1)


def _moved(target: Target, device: torch.device) -> Target:
    if isinstance(target, Tensor):
        return target.to(device)
    return {name: value.to(device) for name, value in target.items()}
