"""The embedded digits: what they hold and how they are split."""

import numpy as np
import torch
from sklearn.datasets import load_digits

from nastk.data.sources import Digits


def test_training_and_test_part_are_all_1797_images_once() -> None:
    train, test = Digits().train(), Digits().test()
    assert (len(train), len(test)) == (1437, 360)
    ours = torch.cat([train.x, test.x]).reshape(1797, 64).numpy().astype(np.int64)
    original = np.round(load_digits().data * 255 / 16).astype(np.int64)
    assert np.array_equal(ours[np.lexsort(ours.T)], original[np.lexsort(original.T)])


def test_the_test_part_has_36_images_of_each_class() -> None:
    assert Digits().test().y.bincount().tolist() == [36] * 10


def test_values_fill_the_range_of_uint8() -> None:
    x = Digits().train().x
    assert x.dtype == torch.uint8
    assert (int(x.min()), int(x.max())) == (0, 255)


def test_the_split_is_the_documented_one() -> None:
    of_zero = load_digits().images[load_digits().target == 0]
    documented = np.round(of_zero[[*range(24, 36), *range(84, 96), *range(144, 156)]] * 255 / 16).astype(np.uint8)
    test = Digits().test()
    assert np.array_equal(test.x[test.y == 0][:, 0].numpy(), documented)


def test_digits_are_not_mirrored_by_default() -> None:
    assert not Digits().flip
