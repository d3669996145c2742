"""Batches cut from a data set that lies on the device as uint8: an iterable that Lightning takes as a loader."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from nastk.errors import UserError
from nastk.training.augment import Augmentation, Draws, cut_out, draw, gather
from nastk.training.data import Images, Normalisation
from nastk.training.seeds import derive_seed

SCORING_BATCH = 1024


class Batches:
    """Shuffled, augmented, normalised training batches of one size; the short rest of an epoch is left out.

    What an epoch holds is a function of (`seed`, `epoch`) alone, so that a resumed training sees what an unbroken one
    would have seen. Everything is drawn for the whole epoch at once, on the CPU, the same for every device.

    Attributes:
        epoch: which epoch the next iteration gives, counted from 0.
        seed: all that is drawn follows from it and the epoch.
    """

    def __init__(
        self,
        images: Images,
        normalisation: Normalisation,
        *,
        batch: int,
        augmentation: Augmentation,
        seed: int,
        device: torch.device,
    ) -> None:
        """Moves the images to `device`; raises UserError where there are fewer than `batch`."""
        if batch > len(images):
            raise UserError(f"batch={batch}, expected at most {len(images)}: that many training images there are")
        self.epoch = 0
        self._pixels = images.x.permute(0, 2, 3, 1).contiguous().to(device)
        self._labels = images.y.to(device)
        self._scale, self._shift = _affine(normalisation, device)
        self._batch = batch
        self._augmentation = augmentation
        self.seed = seed
        first = torch.Generator().manual_seed(derive_seed(seed, "flip"))
        self._mirrored_first = torch.rand(len(images), generator=first) < 0.5

    def __len__(self) -> int:
        return len(self._labels) // self._batch

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Yields float (batch, channels, size, size) in channels_last layout, and int64 labels (batch,)."""
        device = self._pixels.device
        size = self._pixels.shape[1]
        generator = torch.Generator().manual_seed(derive_seed(self.seed, "batches", self.epoch))
        order = torch.randperm(len(self._labels), generator=generator)
        shift, centre = draw(self._augmentation, len(order), size, generator)
        mirrored = self._mirrored_first[order] ^ bool(self.epoch % 2)
        draws = Draws(shift.to(device), centre.to(device), mirrored.to(device))
        order = order.to(device)
        _, hole = self._augmentation.pixels(size)
        for start in range(0, len(self) * self._batch, self._batch):
            stop = start + self._batch
            part = draws.part(start, stop)
            batch = gather(self._pixels, order[start:stop], part, self._augmentation)
            normal = batch.float().mul_(self._scale).add_(self._shift)
            if hole:
                normal = cut_out(normal, part, hole)
            yield normal.permute(0, 3, 1, 2), self._labels[order[start:stop]]


def in_order(
    images: Images, normalisation: Normalisation, device: torch.device, batch: int = SCORING_BATCH
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yields all images as they are, normalised, float (n, channels, size, size), with their labels."""
    scale, shift = _affine(normalisation, device)
    for start in range(0, len(images), batch):
        pixels = images.x[start : start + batch].to(device).permute(0, 2, 3, 1).float()
        yield (pixels * scale + shift).permute(0, 3, 1, 2), images.y[start : start + batch].to(device)


def _affine(normalisation: Normalisation, device: torch.device) -> tuple[Tensor, Tensor]:
    mean = torch.tensor(normalisation.mean, dtype=torch.float64)
    std = torch.tensor(normalisation.std, dtype=torch.float64)
    return (1 / (255 * std)).float().to(device), (-mean / std).float().to(device)
