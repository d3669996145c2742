"""The embedded data set: scikit-learn's 1,797 handwritten digits of 8x8 pixels (UCI Optdigits), nothing to download."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from nastk.data.images import ImageSet
from nastk.data.source import SourceSettings
from nastk.errors import UserError

TEST_RUNS = ((24, 36), (84, 96), (144, 156))


@dataclass(frozen=True, kw_only=True)
class Digits(SourceSettings):
    """Handwritten digits, grey, 8x8, values 0..16 stretched to 0..255.

    The split is fixed. Counted within each class in the set's order, images 24 to 35, 84 to 95 and 144 to 155 are the
    test part (360 in all), the others the training part (1,437). Runs rather than single images, for neighbours are
    often by one hand; from three places, so that no few hands decide.

    Attributes:
        flip: whether training may mirror images. Digits mirrored are no digits.
        root: None, for there is nothing to read.
        resize and the others: see `SourceSettings`.
    """

    name: ClassVar[str] = "digits"
    classes: ClassVar[tuple[str, ...]] = tuple("0123456789")
    channels: ClassVar[int] = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.root is not None:
            raise UserError(f"data digits: root={self.root!r}, expected none: the images come with scikit-learn")

    @property
    def size(self) -> int:
        """Height and width in pixels."""
        return self.resize or 8

    def train(self) -> ImageSet:
        """Returns the 1,437 training images."""
        return self._part(test=False)

    def test(self) -> ImageSet:
        """Returns the 360 test images."""
        return self._part(test=True)

    def _part(self, test: bool) -> ImageSet:
        from sklearn.datasets import load_digits

        digits = load_digits()
        y: NDArray[Any] = digits.target.astype(np.int64)
        x = np.round(digits.images * (255 / 16)).astype(np.uint8)
        chosen = np.zeros(len(y), dtype=bool)
        for label in range(len(self.classes)):
            members = np.flatnonzero(y == label)
            for start, stop in TEST_RUNS:
                chosen[members[start:stop]] = True
        keep = chosen if test else ~chosen
        return self.from_arrays("data digits", x[keep], y[keep], len(self.classes))
