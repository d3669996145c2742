"""Images that are decoded when they are asked for, by worker processes where there are many."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from nastk.console import visible
from nastk.data.decode import CorruptImage
from nastk.data.images import Images, ImageSet
from nastk.errors import UserError
from nastk.processor import usable_cores
from nastk.progress import Count

LOAD_BATCH = 64
# Fewer are decoded before workers would have started.
FEW = 128
MOST_WORKERS = 8
MOST_LINES = 5


class Reader(Protocol):
    """Decodes one image of a set. Every worker process gets a copy: keep it small, and open files in `read` only."""

    @property
    def channels(self) -> int: ...
    @property
    def size(self) -> int: ...

    def read(self, row: int) -> NDArray[np.uint8]:
        """Returns image `row` as uint8 (channels, size, size).

        Raises:
            CorruptImage: it cannot be decoded.
        """
        ...

    def where(self, row: int) -> str:
        """Returns what messages call the image: the file's path."""
        ...

    def fingerprint(self, rows: NDArray[np.int64]) -> bytes:
        """Returns bytes that differ where other images lie at `rows`; nothing is decoded."""
        ...


@dataclass
class Skipped:
    """Images that could not be decoded, of all parts of a data source.

    Attributes:
        allowed: `data.skip_corrupt`; without it the first one is an error.
        found: the reason by the image's path.
        way: what a user is told to do where it is not allowed.
    """

    allowed: bool = False
    found: dict[str, str] = field(default_factory=dict)
    way: str = "data.skip_corrupt=true goes on without such images"

    def add(self, where: str, reason: str) -> None:
        """Enters an image and says so on stderr; raises UserError where that is not allowed."""
        if not self.allowed:
            raise UserError(f"{where}: {reason}; {self.way}")
        if where in self.found:
            return
        self.found[where] = reason
        if len(self.found) <= MOST_LINES:
            last = "; further ones are counted only" if len(self.found) == MOST_LINES else ""
            print(visible(f"nastk: {where}: skipped ({reason}){last}"), file=sys.stderr)  # a worker's own


@dataclass(frozen=True, eq=False)
class StoredImages:
    """Labelled images of one size, not in memory.

    One that cannot be decoded is an error when it is met, unless `skipped.allowed`: then it is left out where images
    are read in order, and in training its place is taken by the next one of its class, so that batches keep their size.

    Attributes:
        reader: decodes them.
        y: int64 tensor (n,), classes counted from 0.
        rows: int64 tensor (n,), which of the reader's images these are.
        memory_gb: up to so many decoded gigabytes `to` takes them into memory.
        workers: processes that decode, None for the number of cores, at most 8.
        skipped: where images that cannot be decoded are entered, shared by all parts of a source.
    """

    reader: Reader
    y: Tensor
    rows: Tensor
    memory_gb: float = 4.0
    workers: int | None = None
    skipped: Skipped = field(default_factory=Skipped)

    def __len__(self) -> int:
        return len(self.y)

    @property
    def channels(self) -> int:
        """1 for grey, 3 for RGB."""
        return self.reader.channels

    @property
    def size(self) -> int:
        """Height and width in pixels."""
        return self.reader.size

    def take(self, indices: Tensor) -> StoredImages:
        """Returns the images at `indices` (int64), in that order; nothing is decoded."""
        return replace(self, y=self.y[indices], rows=self.rows[indices])

    def pixels(self, indices: Tensor) -> Tensor:
        """Decodes the images at `indices` here and now: uint8 (n, channels, size, size)."""
        return self._entered(_Decoding(self, replace=True)[indices.numpy()])[0]

    def stream(self, order: Sequence[Tensor]) -> Iterator[Tensor]:
        """Yields the images at each of the indices in `order` as uint8 (b, channels, size, size), decoded ahead."""
        for decoded in self._decoded(order, replace=True):
            yield self._entered(decoded)[0]

    def batches(self, batch: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yields all images in order as uint8 (b, channels, size, size) with their labels (b,)."""
        for decoded in self._decoded(torch.split(torch.arange(len(self)), batch), replace=False):
            pixels, indices = self._entered(decoded)
            if len(indices):
                yield pixels, self.y[indices]

    def to(self, device: torch.device) -> ImageSet:
        """Returns the images in memory on `device`, decoded now, or this set where they are more than `memory_gb`.

        Raises:
            UserError: one cannot be decoded, or a class has none that can.
        """
        shape = (len(self), self.channels, self.size, self.size)
        if np.prod(shape, dtype=np.float64) > self.memory_gb * 1e9:
            return self
        x, y, done = torch.empty(shape, dtype=torch.uint8), torch.empty_like(self.y), 0
        with Count("decoding", len(self), "image") as count:
            for pixels, labels in self.batches(LOAD_BATCH):
                stop = done + len(labels)
                x[done:stop], y[done:stop], done = pixels, labels, stop
                count.to(stop)
        lost = set(self.y.tolist()) - set(y[:done].tolist())
        if lost:
            example = self.reader.where(int(self.rows[self.y == min(lost)][0]))
            raise UserError(f"{example}: neither this image nor another of its class can be decoded")
        return Images(x[:done], y[:done]).to(device)

    def fingerprint(self) -> str:
        """Returns a SHA-256 over labels, sizes and what the reader knows of the images without decoding them."""
        digest = hashlib.sha256(f"{self.channels} {self.size}".encode())
        digest.update(self.y.numpy().tobytes())
        digest.update(self.reader.fingerprint(self.rows.numpy()))
        return digest.hexdigest()

    def _decoded(self, order: Sequence[Tensor], *, replace: bool) -> Iterator[_Decoded]:
        decoding = _Decoding(self, replace=replace)
        parts = [indices.numpy() for indices in order]
        if sum(map(len, parts)) < FEW:
            yield from (decoding[part] for part in parts)
            return
        # A generator of its own: the loader draws a seed for its workers, from the global one if it has none.
        workers = min(self.workers or default_workers(), len(parts))
        try:
            yield from DataLoader(
                decoding,
                batch_size=None,
                sampler=parts,
                num_workers=workers,
                collate_fn=_unchanged,
                generator=torch.Generator(),
            )
        except RuntimeError as error:
            if "DataLoader worker" not in str(error):
                raise
            raise UserError(f"one of {workers} workers that decode images was killed; try data.workers=1") from None

    def _entered(self, decoded: _Decoded) -> tuple[Tensor, Tensor]:
        for row, reason in decoded.corrupt:
            self.skipped.add(self.reader.where(row), reason)
        if decoded.error:
            raise UserError(decoded.error)
        return torch.from_numpy(decoded.pixels), torch.from_numpy(decoded.indices)


def default_workers() -> int:
    """Returns the number of processes that decode where nothing is set: as many as cores, at most 8."""
    return min(usable_cores(), MOST_WORKERS)


class _Decoded(NamedTuple):
    """Pixels uint8 (b, channels, size, size), their indices, (row, reason) of what is corrupt, and what ends it all."""

    pixels: NDArray[np.uint8]
    indices: NDArray[np.int64]
    corrupt: list[tuple[int, str]]
    error: str = ""


class _Decoding(Dataset[_Decoded]):
    """What a worker does: indices in, pixels out. Errors come back as values: a worker would wrap them in its own."""

    def __init__(self, images: StoredImages, *, replace: bool) -> None:
        self._reader = images.reader
        self._labels, self._rows = images.y.numpy(), images.rows.numpy()
        self._replace = replace and images.skipped.allowed
        self._go_on = images.skipped.allowed

    def __getitem__(self, indices: NDArray[np.int64]) -> _Decoded:
        shape = (len(indices), self._reader.channels, self._reader.size, self._reader.size)
        pixels, kept = np.empty(shape, np.uint8), np.ones(len(indices), bool)
        corrupt: list[tuple[int, str]] = []
        for place, index in enumerate(indices):
            for row in self._candidates(int(index)):
                try:
                    pixels[place] = self._reader.read(row)
                    break
                except UserError as error:
                    return _Decoded(pixels[:0], indices[:0], corrupt, str(error))
                except CorruptImage as error:
                    corrupt.append((row, error.reason))
                    if not self._go_on:
                        return _Decoded(pixels[:0], indices[:0], corrupt)
            else:
                kept[place] = False
        return _Decoded(pixels if kept.all() else pixels[kept], indices[kept], corrupt)

    def _candidates(self, index: int) -> Iterator[int]:
        """Yields the image's row, then in training those of the others of its class, the next first."""
        yield int(self._rows[index])
        if self._replace:
            same = np.flatnonzero(self._labels == self._labels[index])
            first = int(np.searchsorted(same, index))
            yield from (int(self._rows[other]) for other in np.roll(same, -first)[1:])


def _unchanged(decoded: Any) -> Any:
    """Keeps numpy arrays, which go through a pipe; tensors would need shared memory, scarce in containers."""
    return decoded
