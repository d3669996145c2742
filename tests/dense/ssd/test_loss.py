"""The loss of SSD by hand."""

from __future__ import annotations

import math

import torch

from nastk.dense.ssd.loss import hardest, multibox_loss

# Six squares of 10 pixels in a row that do not touch.
DEFAULTS = torch.tensor([[10.0 + 20 * place, 10, 10, 10] for place in range(6)])
OBJECT = {"boxes": torch.tensor([[5.0, 5, 15, 15]]), "labels": torch.tensor([1])}
NOTHING = {"boxes": torch.zeros(0, 4), "labels": torch.zeros(0, dtype=torch.int64)}


def test_undecided_classes_cost_the_logarithm_for_the_object_and_three_others() -> None:
    loss = multibox_loss(torch.zeros(1, 6, 3), torch.zeros(1, 6, 4), [OBJECT], DEFAULTS)
    torch.testing.assert_close(loss, torch.tensor(4 * math.log(3)))


def test_offsets_count_at_the_object_alone_by_smooth_l1() -> None:
    offsets = torch.zeros(1, 6, 4)
    offsets[0, 0] = torch.tensor([2.0, -0.5, 0, 0])  # 2 - 1/2, and 0.5^2 / 2
    offsets[0, 3] = 100
    loss = multibox_loss(torch.zeros(1, 6, 3), offsets, [OBJECT], DEFAULTS)
    torch.testing.assert_close(loss, torch.tensor(4 * math.log(3) + 1.5 + 0.125))


def test_it_is_over_the_objects_of_the_batch() -> None:
    once = multibox_loss(torch.zeros(1, 6, 3), torch.ones(1, 6, 4), [OBJECT], DEFAULTS)
    twice = multibox_loss(torch.zeros(3, 6, 3), torch.ones(3, 6, 4), [OBJECT, NOTHING, OBJECT], DEFAULTS)
    torch.testing.assert_close(once, twice)


def test_without_objects_it_is_0_and_has_a_gradient() -> None:
    logits, offsets = torch.zeros(1, 6, 3, requires_grad=True), torch.zeros(1, 6, 4, requires_grad=True)
    loss = multibox_loss(logits, offsets, [NOTHING], DEFAULTS)
    loss.backward()
    assert loss == 0
    assert logits.grad is not None and not logits.grad.any()


def test_the_right_answer_costs_nothing() -> None:
    logits = torch.zeros(1, 6, 3)
    logits[0, :, 0] = 100
    logits[0, 0] = torch.tensor([0.0, 0, 100])
    assert multibox_loss(logits, torch.zeros(1, 6, 4), [OBJECT], DEFAULTS) == 0


def test_the_background_that_counts_is_what_is_most_wrong() -> None:
    wrong = torch.tensor([[0.1, 9, 0.3, 0.5, 0.2, 0.4], [0.9, 0.8, 0.7, 0.6, 0.5, 0.4]])
    positive = torch.tensor([[False, True, False, False, False, False], [False] * 6])
    assert hardest(wrong, positive).tolist() == [[False, False, True, True, False, True], [False] * 6]
