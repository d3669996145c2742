"""Subsets and splits: sizes, balance, disjointness, seeds."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nastk.data.images import Images
from nastk.data.subsets import split, subset
from nastk.errors import UserError


def numbered(*sizes: int) -> Images:
    """Images whose pixel tells which one it is; `sizes[k]` of class k, classes interleaved."""
    y = torch.cat([torch.full((size,), label) for label, size in enumerate(sizes)])
    y = y[torch.randperm(len(y), generator=torch.Generator().manual_seed(1))]
    return Images(torch.arange(len(y)).to(torch.uint8).reshape(-1, 1, 1, 1), y)


def ids(images: Images) -> list[int]:
    return images.x.flatten().tolist()


@given(st.lists(st.integers(2, 60), min_size=2, max_size=4), st.integers(0, 5), st.data())
def test_a_split_is_disjoint_complete_and_in_proportion(sizes: list[int], seed: int, data: st.DataObject) -> None:
    images = numbered(*sizes)
    held = data.draw(st.integers(len(sizes), len(images) - len(sizes)))
    try:
        train, validation = split(images, held, seed)
    except UserError:
        # Only where a small class would be held out as a whole.
        assert any(size * held / len(images) > size - 1 for size in sizes) or min(sizes) < 4
        return
    assert len(validation) == held
    assert sorted(ids(train) + ids(validation)) == list(range(len(images)))
    for label, size in enumerate(sizes):
        share = size * held / len(images)
        assert abs(int((validation.y == label).sum()) - share) <= len(sizes)
        assert (validation.y == label).any()
        assert (train.y == label).any()


def test_equal_classes_stay_equal() -> None:
    assert subset(numbered(50, 50, 50), 30, 0).y.bincount().tolist() == [10, 10, 10]
    assert split(numbered(50, 50, 50), 0.2, 0)[1].y.bincount().tolist() == [10, 10, 10]


def test_the_size_is_exact_where_classes_do_not_divide_it() -> None:
    assert len(subset(numbered(70, 20, 10), 33, 0)) == 33


def test_a_seed_draws_the_same_and_another_seed_another() -> None:
    images = numbered(60, 60)
    assert ids(subset(images, 40, 3)) == ids(subset(images, 40, 3))
    assert ids(subset(images, 40, 3)) != ids(subset(images, 40, 4))


def test_the_whole_set_is_a_subset() -> None:
    images = numbered(7, 9)
    assert ids(subset(images, 1.0, 0)) == ids(subset(images, 16, 0)) == list(range(16))


def test_labels_stay_with_their_images() -> None:
    images = numbered(60, 60)
    drawn = subset(images, 40, 0)
    assert torch.equal(drawn.y, images.y[drawn.x.flatten().long()])


@pytest.mark.parametrize(
    ("size", "message"),
    [
        (121, "subset=121, expected 1 to 120"),
        (0, "subset=0, expected 1 to 120"),
        (-1, "expected 1 to 120"),
        (1, "at least one of each of the 2 classes"),
        (1.5, "subset=1.5, expected a share above 0 and up to 1"),
        (0.0, "expected a share"),
        (True, "subset=True"),
        (float("nan"), "expected a share"),
    ],
)
def test_an_impossible_subset_is_refused(size: float, message: str) -> None:
    with pytest.raises(UserError, match=message):
        subset(numbered(60, 60), size, 0)


@pytest.mark.parametrize("validation", [1.0, 120, 119])
def test_a_split_that_leaves_nothing_to_train_on_is_refused(validation: float) -> None:
    with pytest.raises(UserError, match="validation"):
        split(numbered(60, 60), validation, 0)
