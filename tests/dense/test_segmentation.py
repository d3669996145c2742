"""Segmentation: loss, measure, decoder."""

from __future__ import annotations

import math

import pytest
import torch
from torch import fx

from nastk.dense.segmentation import MeanIou, Segmentation
from nastk.dense.task import NOT_COUNTED
from nastk.dense.tasks import make_task
from nastk.dense.unet import UNetDecoder
from nastk.errors import UserError
from nastk.networks.features import FeatureInfo


def logits(found: torch.Tensor, classes: int) -> torch.Tensor:
    """Returns logits (1, classes, height, width) that name the classes `found` (height, width)."""
    return torch.nn.functional.one_hot(found, classes).permute(2, 0, 1)[None].float()


def test_mean_iou_is_the_one_counted_by_hand() -> None:
    mask = torch.tensor([[0, 0, 1], [1, 1, NOT_COUNTED]], dtype=torch.uint8)
    found = torch.tensor([[0, 1, 1], [1, 0, 2]])
    metric = MeanIou(4)
    metric.update(logits(found, 4), [mask])
    # Of class 0 1 pixel of 3 is shared, of class 1 2 of 4; class 2 is found where nothing counts; class 3 is nowhere.
    assert metric.compute() == pytest.approx({"miou": (1 / 3 + 2 / 4) / 2, "pixel_accuracy": 3 / 5})


def test_the_loss_is_the_mean_over_the_pixels_that_count() -> None:
    task = Segmentation()
    outputs = torch.zeros(2, 3, 2, 2, requires_grad=True)
    masks = [torch.tensor([[0, NOT_COUNTED], [1, 2]], dtype=torch.uint8), torch.full((2, 2), NOT_COUNTED).byte()]
    assert task.loss(outputs, masks).item() == pytest.approx(math.log(3))
    nothing = task.loss(outputs, masks[1:] * 2)
    nothing.backward()  # type: ignore[no-untyped-call]
    assert nothing.item() == 0
    assert outputs.grad is not None
    assert not outputs.grad.any()


def test_a_mirrored_mask_is_mirrored_and_the_mask_stays_as_it_was() -> None:
    mask = torch.tensor([[0, 1, 2]], dtype=torch.uint8)
    assert Segmentation().mirrored(mask, 3).tolist() == [[2, 1, 0]]
    assert mask.tolist() == [[0, 1, 2]]


def test_the_decoder_reads_every_map_and_gives_the_images_size_odd_ones_too() -> None:
    info = (
        FeatureInfo(6, 4, 9, 12),
        FeatureInfo(10, 16, 3, 3),
    )  # of 33x45 pixels, stride 8 missing
    decoder = UNetDecoder(info, 5, 33, 45)
    maps = [torch.randn(2, one.channels, one.height, one.width, requires_grad=True) for one in info]
    result = decoder(maps)
    assert result.shape == (2, 5, 33, 45)
    result.sum().backward()
    assert all(one.grad is not None and one.grad.any() for one in maps)
    assert all(weight.grad is not None for weight in decoder.parameters())
    fx.symbolic_trace(decoder, concrete_args={"maps": tuple(maps)})


def test_a_task_that_there_is_not_is_named_with_the_nearest() -> None:
    with pytest.raises(UserError, match="unknown task 'segmentatoin'; nearest is 'segmentation'"):
        make_task("segmentatoin")
