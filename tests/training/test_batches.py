"""What an epoch's batches hold, and that they are a function of seed and epoch."""

from collections.abc import Iterable

import pytest
import torch
from torch import Tensor

from nastk.data.images import Images
from nastk.data.normalisation import statistics
from nastk.data.sources import Digits
from nastk.errors import UserError
from nastk.training.augment import Augmentation
from nastk.training.batches import Batches, in_order

CPU = torch.device("cpu")
PLAIN = Augmentation(crop=0.0)


@pytest.fixture(scope="module")
def images() -> Images:
    return Digits().train().take(torch.arange(103))


def batches(images: Images, augmentation: Augmentation = PLAIN, seed: int = 0, batch: int = 10) -> Batches:
    return Batches(images, statistics(images), batch=batch, augmentation=augmentation, seed=seed, device=CPU)


def joined(parts: Iterable[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    x, y = zip(*parts, strict=True)
    return torch.cat(x), torch.cat(y)


def epoch_of(source: Batches, epoch: int) -> Tensor:
    source.epoch = epoch
    return joined(source)[0]


def test_images_in_order_are_normalised_to_mean_0_and_deviation_1(images: Images) -> None:
    x, y = joined(in_order(images, statistics(images), CPU, batch=50))
    assert torch.equal(y, images.y)
    assert float(x.mean()) == pytest.approx(0, abs=1e-5)
    assert float(x.std(unbiased=False)) == pytest.approx(1, abs=1e-5)


def test_an_epoch_holds_whole_batches_of_different_images_with_their_labels(images: Images) -> None:
    source = batches(images)
    assert len(source) == len(list(source)) == 10
    x, y = joined(source)
    whole, labels = joined(in_order(images, statistics(images), CPU))
    match = (x[:, None] - whole[None]).abs().amax((2, 3, 4)) < 1e-5
    assert match.any(1).all()
    assert match.any(0).sum() == len(torch.unique(whole[match.any(0)], dim=0)) == 100
    assert torch.equal(y, labels[match.int().argmax(1)])


def test_batches_are_in_channels_last_layout(images: Images) -> None:
    rgb = Images(images.x.repeat(1, 3, 1, 1), images.y)
    x, _ = next(iter(batches(rgb, Augmentation(cutout=0.25))))
    assert x.is_contiguous(memory_format=torch.channels_last)


def test_an_epoch_is_a_function_of_seed_and_epoch_alone(images: Images) -> None:
    augmentation = Augmentation(flip=True, cutout=0.25)
    one, other = batches(images, augmentation), batches(images, augmentation)
    for epoch in range(3):
        epoch_of(one, epoch)
    torch.rand(7)
    assert torch.equal(epoch_of(one, 2), epoch_of(other, 2))
    assert not torch.equal(epoch_of(one, 2), epoch_of(one, 3))
    assert not torch.equal(epoch_of(one, 2), epoch_of(batches(images, augmentation, seed=1), 2))


def test_batches_leave_the_global_generator_alone(images: Images) -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    list(batches(images, Augmentation(flip=True, cutout=0.25)))
    assert torch.equal(torch.rand(3), expected)


def test_every_image_is_mirrored_in_every_other_epoch() -> None:
    x = torch.zeros(40, 1, 4, 4, dtype=torch.uint8)
    x[:, 0, 0, 0] = torch.arange(40) + 100  # a mark in the left corner tells image and side
    images = Images(x, torch.arange(40) % 2)
    source = Batches(
        images, statistics(images), batch=40, augmentation=Augmentation(crop=0.0, flip=True), seed=0, device=CPU
    )
    sides = []
    for epoch in range(4):
        batch = epoch_of(source, epoch)
        level = batch.flatten(1).amin(1)[:, None]
        row = batch[:, 0, 0]
        marks = row.amax(1)
        mirrored = (row[:, 3] - level[:, 0]).abs() > 1e-4
        sides.append(mirrored[marks.argsort()])
    assert torch.equal(sides[0], sides[2])
    assert torch.equal(sides[1], sides[3])
    assert torch.equal(sides[0], ~sides[1])
    assert 5 < int(sides[0].sum()) < 35


def test_without_alternation_each_epoch_draws_which_images_are_mirrored(images: Images) -> None:
    augmentation = Augmentation(crop=0.0, flip=True, alternate=False)
    source, alternating = batches(images, augmentation), batches(images, Augmentation(crop=0.0, flip=True))
    plain = batches(images)
    kept = []
    for epoch in range(4):
        straight, found = epoch_of(plain, epoch), epoch_of(source, epoch)
        same = (found == straight).flatten(1).all(1)
        assert torch.equal(found[~same], straight[~same].flip(3))
        assert 25 < int(same.sum()) < 75
        kept.append(same)
    assert not torch.equal(epoch_of(source, 0), epoch_of(alternating, 0))
    assert torch.equal(epoch_of(source, 2), epoch_of(batches(images, augmentation), 2))
    assert len({tuple(same.tolist()) for same in kept}) == 4


def test_a_batch_larger_than_the_set_is_refused(images: Images) -> None:
    with pytest.raises(UserError, match="batch=104, expected at most 103"):
        batches(images, batch=104)
