"""Mixup and CutMix: image and target keep the same shares, and what is drawn follows from the seed."""

import pytest
import torch
from scipy import stats
from torch import Tensor
from torch.nn.functional import cross_entropy, one_hot

from nastk.data.normalisation import statistics
from nastk.data.sources import Digits
from nastk.training.augment import Augmentation
from nastk.training.batches import Batches
from nastk.training.mixing import Blend, Mixing, blend, draw_blends

IMAGES = Digits().train().take(torch.arange(103))
MIXUP, CUTMIX, BOTH = Mixing(0.4, 0.0, 10), Mixing(0.0, 1.0, 10), Mixing(0.4, 1.0, 10)


def batches(mixing: Mixing | None, seed: int = 0) -> Batches:
    augmentation = Augmentation(flip=True, cutout=0.25)
    return Batches(
        IMAGES,
        statistics(IMAGES),
        batch=20,
        augmentation=augmentation,
        seed=seed,
        device=torch.device("cpu"),
        mixing=mixing,
    )


def epoch_of(source: Batches, epoch: int = 0) -> tuple[Tensor, Tensor]:
    source.epoch = epoch
    x, y = zip(*source, strict=True)
    return torch.stack(x), torch.stack(y)


def marked(count: int, size: int = 12) -> Tensor:
    """Images whose every pixel is the image's number."""
    return torch.arange(count).float()[:, None, None, None].expand(count, size, size, 2).clone()


def test_mixup_gives_image_and_target_the_same_convex_combination() -> None:
    labels = torch.tensor([3, 1, 1, 0])
    images, targets = blend(marked(4), labels, Blend(0.7), 5)
    for row, other in enumerate([3, 0, 1, 2]):
        assert torch.allclose(images[row], torch.tensor(0.7 * row + 0.3 * other))
        expected = 0.7 * one_hot(labels[row], 5) + 0.3 * one_hot(labels[other], 5)
        assert torch.allclose(targets[row], expected)


def test_cutmix_takes_the_box_from_the_other_image_and_the_target_by_its_area() -> None:
    labels = torch.arange(4)
    before = marked(4)
    images, targets = blend(before, labels, Blend(1 - 20 / 144, (2, 7, 8, 12)), 4)
    for row, other in enumerate([3, 0, 1, 2]):
        expected = torch.full((12, 12, 2), float(row))
        expected[2:7, 8:12] = other
        assert torch.equal(images[row], expected)
        assert float(targets[row, row]) == pytest.approx(float((images[row] == row).float().mean()))
        assert float(targets[row, other]) == pytest.approx(20 / 144)
    assert torch.equal(before, marked(4))


@pytest.mark.parametrize("size", [1, 2, 8, 32, 33])
def test_the_share_is_the_area_that_the_box_leaves(size: int) -> None:
    for how in draw_blends(CUTMIX, 300, size, seed=5):
        assert how.box is not None
        top, bottom, left, right = how.box
        assert 0 <= top <= bottom <= size
        assert 0 <= left <= right <= size
        assert how.share == pytest.approx(1 - (bottom - top) * (right - left) / size**2)
        assert 0 <= how.share <= 1


@pytest.mark.parametrize("alpha", [0.2, 1.0])
def test_mixups_share_is_distributed_as_beta(alpha: float) -> None:
    shares = [how.share for how in draw_blends(Mixing(alpha, 0.0, 10), 2000, 32, seed=1)]
    assert stats.kstest(shares, stats.beta(alpha, alpha).cdf).pvalue > 0.001


def test_cutmix_boxes_that_no_border_cuts_have_the_area_drawn() -> None:
    # With alpha 1 the share is uniform; a box's side is size * sqrt(1 - share) whatever its centre.
    sides = [
        (how.box[1] - how.box[0]) / 256
        for how in draw_blends(CUTMIX, 4000, 256, seed=2)
        if how.box is not None and how.box[0] > 0 and how.box[1] < 256 and how.box[2] > 0 and how.box[3] < 256
    ]
    assert min(sides) < 0.05
    assert max(sides) > 0.7
    whole = [how.box for how in draw_blends(CUTMIX, 4000, 256, seed=2) if how.box is not None]
    centres = torch.tensor([[box[0] + box[1], box[2] + box[3]] for box in whole]).float() / 2
    assert centres.mean(0).tolist() == pytest.approx([128, 128], abs=6)


def test_with_both_each_batch_draws_one_of_them() -> None:
    kinds = [how.box is None for how in draw_blends(BOTH, 1000, 8, seed=0)]
    assert 420 < sum(kinds) < 580
    assert all(how.box is None for how in draw_blends(MIXUP, 50, 8, seed=0))


@pytest.mark.parametrize("mixing", [MIXUP, CUTMIX, BOTH])
def test_an_epoch_is_a_function_of_seed_and_epoch_alone(mixing: Mixing) -> None:
    one, other = batches(mixing), batches(mixing)
    for epoch in range(3):
        last = epoch_of(one, epoch)
    torch.rand(7)
    assert all(torch.equal(a, b) for a, b in zip(last, epoch_of(other, 2), strict=True))
    assert not torch.equal(last[0], epoch_of(one, 3)[0])
    assert not torch.equal(last[0], epoch_of(batches(mixing, seed=1), 2)[0])


@pytest.mark.parametrize("mixing", [MIXUP, CUTMIX])
def test_mixing_changes_nothing_of_what_else_is_drawn(mixing: Mixing) -> None:
    plain, labels = epoch_of(batches(None), 1)
    mixed, targets = epoch_of(batches(mixing), 1)
    assert targets.shape == (*labels.shape, 10)
    assert torch.allclose(targets.sum(-1), torch.ones(labels.shape))
    share = targets.gather(-1, labels[..., None])[..., 0]
    for batch, kept in enumerate(share.amin(1)):
        together = torch.lerp(plain[batch].roll(1, 0), plain[batch], float(kept))
        if mixing is MIXUP:
            assert torch.allclose(mixed[batch], together, atol=1e-5)
        else:
            same = (mixed[batch] == plain[batch]) | (mixed[batch] == plain[batch].roll(1, 0))
            assert same.all()


def test_mixed_batches_keep_the_layout_and_the_type() -> None:
    for mixing in (MIXUP, CUTMIX):
        x, y = next(iter(batches(mixing)))
        assert x.permute(0, 2, 3, 1).is_contiguous()
        assert (x.dtype, y.dtype) == (torch.float32, torch.float32)


def test_gradients_reach_both_images_by_their_shares() -> None:
    x = torch.randn(4, 6, 6, 1, requires_grad=True)
    for how, shares in ((Blend(0.75), (0.75, 0.25)), (Blend(0.75, (0, 3, 0, 3)), (0.75, 0.25))):
        mixed, targets = blend(x, torch.arange(4), how, 4)
        (gradient,) = torch.autograd.grad(mixed[1].mean(), x)
        assert gradient[1].sum() == pytest.approx(shares[0])
        assert gradient[0].sum() == pytest.approx(shares[1])
        assert gradient[2:].abs().sum() == 0
        logits = torch.randn(4, 4, requires_grad=True)
        cross_entropy(logits, targets, label_smoothing=0.1).backward()
        assert logits.grad is not None
        assert logits.grad.abs().min() > 0


def test_a_share_of_1_is_no_blend_at_all() -> None:
    x, y = torch.randn(4, 6, 6, 3), torch.arange(4)
    for how in (Blend(1.0), Blend(1.0, (2, 2, 3, 3))):
        mixed, targets = blend(x, y, how, 10)
        assert torch.equal(mixed, x)
        assert torch.equal(targets, one_hot(y, 10).float())
