"""Accuracy is over images, balanced accuracy over the classes that have some."""

import pytest
import torch
from torch import nn

from nastk.training.scoring import score, scores


class Copies(nn.Module):
    """Answers with the class that the image's only pixel names."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return 4 * nn.functional.one_hot(x.flatten().long(), 4).float()


def batches(answers: list[int], truths: list[int], size: int) -> list[tuple[torch.Tensor, torch.Tensor]]:
    x, y = torch.tensor(answers).reshape(-1, 1, 1, 1), torch.tensor(truths)
    return list(zip(torch.split(x, size), torch.split(y, size), strict=True))


@pytest.mark.parametrize("size", [1, 3, 10])
def test_the_small_class_counts_as_much_as_the_large_one(size: int) -> None:
    given = batches([0] * 8 + [1, 0], [0] * 8 + [1, 1], size)
    found = scores(Copies(), given, 4)
    assert found.accuracy == pytest.approx(0.9)
    assert found.balanced_accuracy == pytest.approx((1.0 + 0.5) / 2), "classes 2 and 3 have no images"
    assert score(Copies(), given) == pytest.approx((found.accuracy, found.loss))


def test_where_classes_are_of_one_size_both_are_the_same() -> None:
    found = scores(Copies(), batches([0, 0, 1, 0, 3, 2], [0, 0, 1, 1, 3, 3], 4), 4)
    assert found.accuracy == pytest.approx(found.balanced_accuracy) == pytest.approx(4 / 6)
