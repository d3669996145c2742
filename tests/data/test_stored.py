"""Images decoded on demand: the same as in memory, by workers or not; corrupt ones named, skipped and counted."""

import dataclasses
import os
import signal
from dataclasses import dataclass, field

import numpy as np
import pytest
import torch

from nastk.data.decode import CorruptImage
from nastk.data.images import Images
from nastk.data.normalisation import statistics
from nastk.data.stored import Skipped, StoredImages
from nastk.data.subsets import subset
from nastk.errors import UserError
from nastk.training.augment import Augmentation
from nastk.training.batches import Batches, in_order

CPU = torch.device("cpu")


@dataclass(frozen=True)
class Made:
    """A reader whose image `row` is noise drawn by the row; those of `corrupt` cannot be decoded."""

    corrupt: frozenset[int] = frozenset()
    unreadable: frozenset[int] = frozenset()
    channels: int = 3
    size: int = 6
    decoded: list[int] = field(default_factory=list)

    def read(self, row: int) -> np.ndarray:
        if row in self.corrupt:
            raise CorruptImage("made to fail")
        if row in self.unreadable:
            raise UserError(f"image {row}: cannot be read (Permission denied)")
        self.decoded.append(row)
        return np.random.default_rng(row).integers(0, 256, (3, 6, 6), dtype=np.uint8)

    def where(self, row: int) -> str:
        return f"image {row}"

    def fingerprint(self, rows: np.ndarray) -> bytes:
        return rows.tobytes()


def stored(count: int = 400, *, skip: bool = False, memory_gb: float = 1e-9, **fields: frozenset[int]) -> StoredImages:
    """`count` images of four classes, beyond what is kept in memory, decoded by two workers."""
    y, rows = torch.arange(count) % 4, torch.arange(count) + 7
    return StoredImages(Made(**fields), y, rows, memory_gb=memory_gb, workers=2, skipped=Skipped(skip))


def in_memory(images: StoredImages) -> Images:
    x = np.stack([np.random.default_rng(int(row)).integers(0, 256, (3, 6, 6), dtype=np.uint8) for row in images.rows])
    return Images(torch.from_numpy(x), images.y)


@pytest.mark.parametrize("count", [60, 400])
def test_all_that_one_gets_is_as_from_memory(count: int) -> None:
    images = stored(count)
    expected = in_memory(images)
    chosen = torch.tensor([5, 3, 3])
    assert torch.equal(images.pixels(chosen), expected.pixels(chosen))
    assert torch.equal(images.take(chosen).pixels(torch.tensor([0])), expected.pixels(chosen[:1]))
    for found, wanted in zip(images.batches(37), expected.batches(37), strict=True):
        assert torch.equal(found[0], wanted[0]) and torch.equal(found[1], wanted[1])
    order = list(torch.split(torch.randperm(count), 50))
    for found, wanted in zip(images.stream(order), expected.stream(order), strict=True):
        assert torch.equal(found, wanted)
    assert statistics(images) == statistics(expected)
    assert torch.equal(subset(images, 0.5, 3).pixels(torch.arange(9)), subset(expected, 0.5, 3).pixels(torch.arange(9)))


def test_workers_decode_and_the_asking_process_does_not() -> None:
    images = stored(400)
    assert len(list(images.batches(50))) == 8
    assert images.reader.decoded == []  # type: ignore[attr-defined]


@pytest.mark.parametrize("epoch", [0, 1])
def test_training_batches_are_those_from_memory_for_the_same_seed_and_epoch(epoch: int) -> None:
    augmentation = Augmentation(crop=0.25, flip=True, cutout=0.3)
    images = stored(400)

    def epochs(kind: StoredImages | Images) -> list[tuple[torch.Tensor, torch.Tensor]]:
        made = Batches(kind, statistics(kind), batch=64, augmentation=augmentation, seed=3, device=CPU)
        made.epoch = epoch
        return list(made)

    torch.manual_seed(5)
    state = torch.get_rng_state()
    found, expected = epochs(images), epochs(in_memory(images))
    assert torch.equal(torch.get_rng_state(), state)
    assert len(found) == len(expected) == 6
    for (x, y), (wanted, labels) in zip(found, expected, strict=True):
        assert torch.equal(x, wanted) and torch.equal(y, labels)
        assert x.is_contiguous(memory_format=torch.channels_last)


def test_scoring_batches_are_those_from_memory() -> None:
    images = stored(300)
    normal = statistics(images)
    for found, expected in zip(
        in_order(images, normal, CPU, 64), in_order(in_memory(images), normal, CPU, 64), strict=True
    ):
        assert torch.equal(found[0], expected[0]) and torch.equal(found[1], expected[1])


def test_to_takes_into_memory_what_fits_and_leaves_the_rest() -> None:
    large = stored(300, memory_gb=300 * 3 * 6 * 6 / 1e9 * 0.999)
    assert large.to(CPU) is large
    small = stored(300, memory_gb=300 * 3 * 6 * 6 / 1e9).to(CPU)
    assert isinstance(small, Images)
    assert torch.equal(small.x, in_memory(large).x) and torch.equal(small.y, large.y)


@pytest.mark.parametrize("count", [60, 400])
@pytest.mark.parametrize("kind", ["corrupt", "unreadable"])
def test_the_first_that_cannot_be_decoded_is_named_in_one_line(count: int, kind: str) -> None:
    images = stored(count, **{kind: frozenset({40})})
    reason = "made to fail; data.skip_corrupt=true goes on" if kind == "corrupt" else r"cannot be read \(Permission"
    for use in (lambda: list(images.batches(16)), lambda: images.pixels(torch.arange(40)), lambda: statistics(images)):
        with pytest.raises(UserError, match=f"^image 40: {reason}") as caught:
            use()
        assert "\n" not in str(caught.value)


def test_skipped_images_are_left_out_in_order_counted_once_and_told_with_an_end(capsys) -> None:
    corrupt = frozenset(range(10, 22))
    images = stored(400, skip=True, corrupt=corrupt)
    for _ in range(2):
        pixels, labels = (torch.cat(parts) for parts in zip(*images.batches(32), strict=True))
        keep = torch.tensor([int(row) not in corrupt for row in images.rows])
        assert torch.equal(pixels, in_memory(images).x[keep]) and torch.equal(labels, images.y[keep])
    assert images.skipped.found == {f"image {row}": "made to fail" for row in corrupt}
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 5
    assert lines[0] == "nastk: image 10: skipped (made to fail)"
    assert lines[-1].endswith("further ones are counted only")


def test_in_training_the_next_of_its_class_takes_the_place_of_a_skipped_image() -> None:
    images = stored(400, skip=True, corrupt=frozenset({7, 11, 7 + 399}))
    expected = in_memory(images).x
    found = next(images.stream([torch.tensor([0, 4, 1, 399])]))
    assert torch.equal(found, expected[[8, 8, 1, 3]])
    assert len(images.skipped.found) == 3


@dataclass(frozen=True)
class Deadly(Made):
    """A reader that is killed at image 300, as by a system without memory."""

    def read(self, row: int) -> np.ndarray:
        if row == 300:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().read(row)


def test_a_killed_worker_is_told_in_one_line() -> None:
    images = dataclasses.replace(stored(400), reader=Deadly())
    with pytest.raises(UserError, match="^one of 2 workers that decode images was killed; try data.workers=1$"):
        list(images.batches(50))


def test_a_class_of_which_nothing_can_be_decoded_is_an_error_with_an_example() -> None:
    images = stored(40, skip=True, memory_gb=1.0, corrupt=frozenset(range(9, 49, 4)))
    with pytest.raises(UserError, match="^image 9: neither this image nor another of its class can be decoded"):
        images.to(CPU)


def test_a_large_sets_statistics_are_of_a_fixed_sample() -> None:
    images = stored(10_400)
    found, exact = statistics(images), statistics(in_memory(images))
    assert found == statistics(images)
    assert found != exact
    assert found.mean == pytest.approx(exact.mean, abs=0.002)


def test_a_fingerprint_differs_where_the_images_do() -> None:
    images = stored(60)
    assert images.fingerprint() == stored(60).fingerprint()
    assert len({stored(n).fingerprint() for n in (60, 61)} | {images.take(torch.arange(60).flip(0)).fingerprint()}) == 3
