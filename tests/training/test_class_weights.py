"""Class weights: their values, that they count images as copies of them would, and what is refused."""

import pytest
import torch
from torch.nn.functional import cross_entropy, one_hot

from nastk.errors import UserError
from nastk.training.class_weights import check_count, class_weights, weighted_loss
from nastk.training.settings import TrainingSettings

LABELS = torch.tensor([0] * 6 + [1] * 3 + [2])
LOGITS = torch.randn((10, 3), generator=torch.Generator().manual_seed(0))


def test_balanced_weights_make_all_classes_count_alike_and_images_one_on_average() -> None:
    weights = class_weights("balanced", LABELS, 3)
    assert weights is not None
    assert (weights * torch.tensor([6.0, 3.0, 1.0])).tolist() == pytest.approx([10 / 3] * 3)
    assert float(weights[LABELS].mean()) == pytest.approx(1.0)


def test_given_weights_keep_their_ratios_and_a_class_without_images_is_none_to_divide_by() -> None:
    given = class_weights((2.0, 1.0, 4.0), LABELS, 3)
    assert given is not None and float(given[LABELS].mean()) == pytest.approx(1.0)
    assert (given / given[1]).tolist() == pytest.approx([2.0, 1.0, 4.0])
    absent = class_weights("balanced", LABELS, 4)
    assert absent is not None and absent.isfinite().all()
    assert class_weights(None, LABELS, 3) is None


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_a_weight_counts_as_so_many_copies_of_the_images(smoothing: float) -> None:
    copies = (1, 2, 6)
    often = torch.cat([torch.full((copies[int(label)],), row) for row, label in enumerate(LABELS)])
    expected = cross_entropy(LOGITS[often], LABELS[often], label_smoothing=smoothing)
    weights = class_weights(tuple(map(float, copies)), LABELS, 3)
    assert float(weighted_loss(LOGITS, LABELS, weights, smoothing)) == pytest.approx(float(expected))


def test_parts_of_a_batch_average_to_the_whole_and_blended_targets_to_their_shares() -> None:
    weights = class_weights("balanced", LABELS, 3)
    whole = weighted_loss(LOGITS, LABELS, weights, 0.1)
    parts = [weighted_loss(LOGITS[part], LABELS[part], weights, 0.1) for part in (slice(0, 5), slice(5, 10))]
    assert float(sum(parts)) / 2 == pytest.approx(float(whole))
    targets = one_hot(LABELS, 3).float()
    assert float(weighted_loss(LOGITS, targets, weights, 0.1)) == pytest.approx(float(whole))
    assert float(weighted_loss(LOGITS, LABELS, None, 0.1)) == float(cross_entropy(LOGITS, LABELS, label_smoothing=0.1))


@pytest.mark.parametrize("value", ["balance", (1.0,), (1.0, 0.0), (1.0, -2.0), (1.0, float("nan")), 3.0])
def test_weights_that_cannot_be_are_refused(value: object) -> None:
    with pytest.raises(UserError, match="class_weights=.*, expected"):
        TrainingSettings(class_weights=value)  # type: ignore[arg-type]


def test_as_many_weights_as_classes_are_wanted() -> None:
    check_count("balanced", 4)
    with pytest.raises(UserError, match="class_weights: 2 numbers, expected 4: one for each class"):
        check_count((1.0, 2.0), 4)
