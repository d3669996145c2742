"""From logits and offsets to what is found."""

from __future__ import annotations

import torch

from nastk.dense.ssd.detections import detections

DEFAULTS = torch.tensor([[10.0, 10, 10, 10], [11, 10, 10, 10], [30, 30, 10, 10], [38, 38, 10, 10]])


def logits(*scores: tuple[float, ...]) -> torch.Tensor:
    """Returns logits of which softmax makes these shares."""
    return torch.tensor(scores).log()


def test_the_most_certain_comes_first_and_removes_its_neighbour_of_the_same_class_only() -> None:
    shares = logits((0.3, 0.6, 0.1), (0.2, 0.795, 0.005), (0.295, 0.005, 0.7), (0.99, 0.005, 0.005))
    found = detections(shares, torch.zeros(4, 4), DEFAULTS, 40, 40)
    # The second default box beats the first as class 0; of class 1 the first stays, and what has half a percent goes.
    assert found.labels.tolist() == [0, 1, 1]
    torch.testing.assert_close(found.scores, torch.tensor([0.795, 0.7, 0.1]))
    torch.testing.assert_close(found.boxes, torch.tensor([[6.0, 5, 16, 15], [25, 25, 35, 35], [5, 5, 15, 15]]))


def test_boxes_end_where_the_image_does() -> None:
    shares = logits((0.99, 0.01), (0.999, 0.001), (0.999, 0.001), (0.5, 0.5))
    found = detections(shares, torch.zeros(4, 4), DEFAULTS, 40, 42)
    torch.testing.assert_close(found.boxes[0], torch.tensor([33.0, 33, 42, 40]))


def test_where_all_is_background_nothing_is_found() -> None:
    found = detections(torch.tensor([[20.0, 0, 0]] * 4), torch.zeros(4, 4), DEFAULTS, 40, 40)
    assert [tuple(part.shape) for part in found] == [(0, 4), (0,), (0,)]
