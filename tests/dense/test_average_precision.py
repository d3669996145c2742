"""Mean average precision of cases that can be worked out by hand."""

from __future__ import annotations

import importlib.util

import pytest
import torch

from nastk.dense.average_precision import MeanAveragePrecision
from nastk.dense.ssd.detections import Detections
from nastk.errors import UserError

A, B, NOWHERE = [0.0, 0, 10, 10], [20.0, 20, 30, 40], [50.0, 50, 60, 60]


def found(*rows: tuple[list[float], float, int]) -> Detections:
    """Returns detections of boxes, scores and labels."""
    boxes, scores, labels = zip(*rows, strict=True) if rows else ([], [], [])
    return Detections(torch.tensor(boxes).reshape(-1, 4), torch.tensor(scores), torch.tensor(labels).long())


def true(*rows: tuple[list[float], int]) -> dict[str, torch.Tensor]:
    """Returns the target of boxes and labels."""
    boxes, labels = zip(*rows, strict=True) if rows else ([], [])
    return {"boxes": torch.tensor(boxes).reshape(-1, 4), "labels": torch.tensor(labels).long()}


def test_all_found_exactly_is_1_and_nothing_found_is_0() -> None:
    metric = MeanAveragePrecision(2)
    metric.add(found((A, 0.9, 0), (B, 0.8, 1)), true((A, 0), (B, 1)))
    assert metric.compute() == {"map": pytest.approx(1), "map50": pytest.approx(1)}
    metric = MeanAveragePrecision(2)
    metric.add(found(), true((A, 0)))
    metric.add(found((A, 0.9, 0)), true())
    assert metric.compute() == {"map": 0, "map50": 0}


def test_a_false_one_between_two_right_ones_costs_what_the_101_points_say() -> None:
    metric = MeanAveragePrecision(1)
    metric.add(found((A, 0.9, 0), (NOWHERE, 0.8, 0)), true((A, 0)))
    metric.add(found((B, 0.7, 0)), true((B, 0)))
    # Precision is 1 up to a recall of 0.5, which 51 of the points are, and 2/3 beyond.
    assert metric.compute()["map50"] == pytest.approx((51 + 50 * 2 / 3) / 101)


def test_a_box_counts_up_to_the_overlap_that_it_has() -> None:
    metric = MeanAveragePrecision(1)
    metric.add(found(([0.0, 0, 10, 6.2], 0.9, 0)), true((A, 0)))  # 0.62: at 0.5, 0.55 and 0.6 of ten
    assert metric.compute() == {"map": pytest.approx(0.3), "map50": pytest.approx(1)}


def test_the_mean_is_over_the_classes_that_there_are() -> None:
    metric = MeanAveragePrecision(3)
    metric.add(found((A, 0.9, 0), (B, 0.8, 0)), true((A, 0), (B, 1)))
    # All of class 0, nothing of class 1; of class 2 there is nothing to find.
    assert metric.compute()["map50"] == pytest.approx(0.5)


def test_that_pycocotools_is_missing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"needs pycocotools, not installed; pip install 'nastk\[detection\]'"):
        MeanAveragePrecision(1)
