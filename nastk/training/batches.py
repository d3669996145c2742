"""Batches cut from images on the device, or from those that workers decode: an iterable that Lightning takes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from nastk.data.images import Images, ImageSet
from nastk.data.normalisation import Normalisation
from nastk.errors import UserError
from nastk.seeds import derive_seed
from nastk.training.answers import KeptAnswers
from nastk.training.augment import Augmentation, Draws, cut_out, draw, gather
from nastk.training.mixing import Mixing, blend, draw_blends
from nastk.training.share import Share
from nastk.training.warp import Warp, warped

# Images of `SCORING_SIZE` pixels a side that are scored at once, as many pixels of other sizes: on a processor so few a
# thread that its caches hold what a layer leaves, below the 32 MB from which on glibc takes each tensor anew from the
# system. scripts/benchmarks/scoring.py
SCORING_BATCH, SCORING_BATCH_A_THREAD = 1024, 128
SCORING_SIZE = 32
VIEWS = 0  # seed of fixed views: the same for every training of a run


class _Drawn(NamedTuple):
    """What chance decides for images in an order: as `Draws`, and `Warp.draw`; on the CPU."""

    shift: Tensor
    centre: Tensor
    mirrored: Tensor
    warp: Tensor

    def at(self, places: Tensor) -> _Drawn:
        """Returns it for the images at some places of the order."""
        return _Drawn(*(part[places] for part in self))


class Batches:
    """Shuffled, augmented, normalised training batches of one size; the short rest of an epoch is left out.

    What an epoch holds is a function of (`seed`, `epoch`) alone, so that a resumed training sees what an unbroken one
    would have seen. Everything is drawn for the whole epoch at once, on the CPU, the same for every device.

    Attributes:
        epoch: which epoch the next iteration gives, counted from 0.
        skip: how many of its batches the next iteration leaves out: those before a checkpoint.
        seed: all that is drawn follows from it and the epoch.
        share: which part of each batch this process gets, of batches that are the same for all processes.
    """

    def __init__(
        self,
        images: ImageSet,
        normalisation: Normalisation,
        *,
        batch: int,
        augmentation: Augmentation,
        seed: int,
        device: torch.device,
        mixing: Mixing | None = None,
        share: Share | None = None,
        warp: Warp | None = None,
        kept: KeptAnswers | None = None,
    ) -> None:
        """Moves images that are in memory to `device`; raises UserError where there are fewer than `batch`.

        With `kept`, a teacher's answers, an epoch shows one of its views of the images, whatever the seed: that of the
        epoch's number, then the first again.
        """
        if batch > len(images):
            raise UserError(f"batch={batch}, expected at most {len(images)}: that many training images there are")
        self.epoch = 0
        self.skip = 0
        self.share = share or Share()
        self._images = images
        self._device = device
        in_memory = images.x if isinstance(images, Images) else torch.empty((0, 1, 1, 1), dtype=torch.uint8)
        self._pixels = in_memory.permute(0, 2, 3, 1).contiguous().to(device)
        self._labels = images.y.to(device)
        self._scale, self._shift = _affine(normalisation, device)
        self._batch = batch
        self._augmentation = augmentation
        self._mixing = mixing
        self._warp = warp or Warp()
        self._kept = kept
        self._answered: tuple[int, Tensor] | None = None
        self.seed = seed
        first = torch.Generator().manual_seed(derive_seed(seed, "flip"))
        self._mirrored_first = torch.rand(len(images), generator=first) < 0.5

    def __len__(self) -> int:
        return len(self._labels) // self._batch

    @property
    def device(self) -> torch.device:
        """Where they are."""
        return self._device

    @property
    def labels(self) -> Tensor:
        """Labels of all images that batches are cut from: int64 (n,)."""
        return self._labels

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Images that this process gets at a time, channels, height and width: the same for all batches."""
        return self._batch // self.share.ranks, len(self._scale), self._images.size, self._images.size

    def __iter__(self) -> Iterator[tuple[Tensor, ...]]:
        """Yields float (batch, channels, size, size) in channels_last layout, and int64 labels (batch,).

        With mixing, the labels are float targets (batch, classes). With kept answers these come third.
        """
        generator = torch.Generator().manual_seed(derive_seed(self.seed, "batches", self.epoch))
        order = torch.randperm(len(self._labels), generator=generator)
        drawn = self._drawn(order, generator) if self._kept is None else self._viewed(self._view, order)
        answers = None if self._kept is None else self._answers(self._kept)
        skip, self.skip = self.skip, 0
        mine = self.share.part_of_each(torch.arange(len(self) * self._batch).view(-1, self._batch)[skip:])
        order, size_here = order[mine], self._batch // self.share.ranks
        seed = derive_seed(self.seed, "mixing", self.epoch)
        blends = iter(draw_blends(self._mixing, len(self), self._images.size, seed)[skip:] if self._mixing else ())
        labels, known = self._labels[order.to(self._device)], () if answers is None else (answers[order],)
        for number, normal in enumerate(self._cut(order, drawn.at(mine), size_here)):
            rows = slice(number * size_here, (number + 1) * size_here)
            images, targets = normal, labels[rows]
            if self._mixing is not None:
                images, targets = blend(images, targets, next(blends), self._mixing.classes)
            yield images.permute(0, 3, 1, 2), targets, *(part[rows].to(self._device) for part in known)

    @property
    def _view(self) -> int:
        """Which of the fixed views the epoch shows."""
        return 0 if self._kept is None else self.epoch % self._kept.views

    def _cut(self, order: Tensor, drawn: _Drawn, batch: int) -> Iterator[Tensor]:
        """Yields images in an order, `batch` at a time, varied and normalised: float (n, size, size, channels)."""
        device = self._device
        draws = Draws(*(part.to(device) for part in (drawn.shift, drawn.centre, drawn.mirrored)))
        amounts = drawn.warp.to(device)
        _, hole = self._augmentation.pixels(self._images.size)
        start = 0
        for pixels, indices in self._found(order, batch):
            stop = start + len(indices)
            part = draws.part(start, stop)
            normal = gather(pixels, indices, part, self._augmentation).float().mul_(self._scale).add_(self._shift)
            if self._warp:
                normal = warped(normal, amounts[start:stop], self._warp, self._augmentation.padding)
            start = stop
            yield cut_out(normal, part, hole) if hole else normal

    def _drawn(self, order: Tensor, generator: torch.Generator) -> _Drawn:
        """Draws for the images of the epoch, in their order."""
        shift, centre = draw(self._augmentation, len(order), self._images.size, generator)
        amounts = self._warp.draw(len(order), derive_seed(self.seed, "warp", self.epoch))
        return _Drawn(shift, centre, self._mirrored(order), amounts)

    def _viewed(self, view: int, order: Tensor) -> _Drawn:
        """Returns what a view shows of the images in an order: a function of the view and the image's place alone."""
        count = len(self._labels)
        generator = torch.Generator().manual_seed(derive_seed(VIEWS, "batches", view))
        shift, centre = draw(self._augmentation, count, self._images.size, generator)
        turns = self._augmentation.alternate
        chance = torch.Generator().manual_seed(derive_seed(VIEWS, "flip", 0 if turns else view))
        mirrored = (torch.rand(count, generator=chance) < 0.5) ^ bool(turns and view % 2)
        return _Drawn(shift, centre, mirrored, self._warp.draw(count, derive_seed(VIEWS, "warp", view))).at(order)

    def _answers(self, kept: KeptAnswers) -> Tensor:
        """Returns the teacher's answers to the epoch's view, float (n, classes) on the CPU."""
        view = self._view
        if self._answered is None or self._answered[0] != view:
            every = torch.arange(len(self._labels))
            batch = max(1, scoring_batch(self._images.size, self._device) // 4)
            shown = (part.permute(0, 3, 1, 2) for part in self._cut(every, self._viewed(view, every), batch))
            self._answered = view, kept.answers(view, shown)
        return self._answered[1]

    def _found(self, order: Tensor, batch: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yields, for each batch, uint8 (n, size, size, channels) and where in it the batch's images lie."""
        if isinstance(self._images, Images):
            yield from ((self._pixels, indices) for indices in torch.split(order.to(self._device), batch))
            return
        for pixels in self._images.stream(torch.split(order, batch)):
            yield pixels.to(self._device).permute(0, 2, 3, 1), torch.arange(len(pixels), device=self._device)

    def _mirrored(self, order: Tensor) -> Tensor:
        """Returns which images of the epoch, in their order, are mirrored: bool (n,)."""
        if self._augmentation.alternate:
            return self._mirrored_first[order] ^ bool(self.epoch % 2)
        generator = torch.Generator().manual_seed(derive_seed(self.seed, "flip", self.epoch))
        return torch.rand(len(order), generator=generator) < 0.5


def in_order(
    images: ImageSet, normalisation: Normalisation, device: torch.device, batch: int | None = None
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yields all images as they are, normalised, float (n, channels, size, size), with their labels.

    `batch` at a time; None for what the device scores fastest.
    """
    batch = batch or scoring_batch(images.size, device)
    scale, shift = _affine(normalisation, device)
    for pixels, labels in images.batches(batch):
        normal = pixels.to(device).permute(0, 2, 3, 1).float() * scale + shift
        yield normal.permute(0, 3, 1, 2), labels.to(device)


def scoring_batch(size: int, device: torch.device) -> int:
    """Returns how many images of `size` pixels a side are scored at once on a device."""
    at_once = SCORING_BATCH_A_THREAD * torch.get_num_threads() if device.type == "cpu" else SCORING_BATCH
    return max(1, min(at_once * SCORING_SIZE**2 // size**2, SCORING_BATCH))


def _affine(normalisation: Normalisation, device: torch.device) -> tuple[Tensor, Tensor]:
    mean = torch.tensor(normalisation.mean, dtype=torch.float64)
    std = torch.tensor(normalisation.std, dtype=torch.float64)
    return (1 / (255 * std)).float().to(device), (-mean / std).float().to(device)
