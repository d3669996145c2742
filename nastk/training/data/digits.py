"""The embedded data set: scikit-learn's 1,797 handwritten digits of 8x8 pixels (UCI Optdigits), nothing to download."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from nastk.training.data.images import Images, checked

TEST_PER_CLASS = 36


@dataclass(frozen=True)
class Digits:
    """Handwritten digits, grey, 8x8, values 0..16 stretched to 0..255.

    The split is fixed: of each class the last 36 images in the set's order are the test part (360), those before are
    the training part (1,437). A block at the end rather than a random draw, for neighbours are often by one hand.

    Attributes:
        flip: whether training may mirror images. Digits mirrored are no digits.
        crop: by how much of its side training may shift an image. These fill their 8x8 pixels to the border.
    """

    flip: bool = False
    crop: float = 0.0

    name: ClassVar[str] = "digits"
    classes: ClassVar[tuple[str, ...]] = tuple("0123456789")
    channels: ClassVar[int] = 1
    size: ClassVar[int] = 8

    def train(self) -> Images:
        """Returns the 1,437 training images."""
        return self._part(test=False)

    def test(self) -> Images:
        """Returns the 360 test images."""
        return self._part(test=True)

    def _part(self, test: bool) -> Images:
        from sklearn.datasets import load_digits

        digits = load_digits()
        y: NDArray[Any] = digits.target.astype(np.int64)
        x = np.round(digits.images * (255 / 16)).astype(np.uint8)
        chosen = np.zeros(len(y), dtype=bool)
        for label in range(len(self.classes)):
            chosen[np.flatnonzero(y == label)[-TEST_PER_CLASS:]] = True
        keep = chosen if test else ~chosen
        return checked("data digits", x[keep], y[keep], len(self.classes))
