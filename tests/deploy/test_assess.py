"""Parity, quality and the recommendation."""

import numpy as np
import pytest

from nastk.deploy.assess import ParityError, Quality, check_parity, quality, recommend
from nastk.deploy.latency import Latency


def latency(p50: float, spread: float = 0.01) -> Latency:
    return Latency(p50, p50, p50, p50, 200, spread, spread <= 0.05, 1, 1)


def choose(drop: float, fp32_ms: float, int8_ms: float, spread: float = 0.01):
    times = {"model.onnx": latency(fp32_ms, spread), "model.int8.onnx": latency(int8_ms)}
    return recommend(Quality(0.95, 1.0, 0.0), Quality(0.95 - drop, 0.99, 0.1), times, 0.005)


def test_int8_is_recommended_where_it_is_faster_and_as_good() -> None:
    chosen, reason, warnings = choose(0.004, 2.0, 1.0)
    assert chosen == "model.int8.onnx" and warnings == ()
    assert "1 ms" in reason and "2 ms" in reason and "0.40 points" in reason


@pytest.mark.parametrize(
    ("drop", "int8_ms", "warned"),
    [
        (0.006, 1.0, ["loses 0.60 points"]),
        (0.0, 2.0, ["not faster"]),
        (0.0, 1.97, ["not faster"]),
        (-0.1, 2.1, ["not faster"]),
    ],
)
def test_fp32_is_recommended_and_the_user_warned_where_int8_is_not(drop, int8_ms, warned) -> None:
    chosen, reason, warnings = choose(drop, 2.0, int8_ms)
    assert chosen == "model.onnx"
    assert len(warnings) == len(warned) and all(text in line for text, line in zip(warned, warnings, strict=True))
    assert warnings[0] in reason


def test_both_reasons_are_given() -> None:
    chosen, reason, warnings = choose(0.1, 1.0, 2.0)
    assert chosen == "model.onnx" and len(warnings) == 2 and "points" in reason and "not faster" in reason


def test_a_busy_machine_is_a_warning_but_no_reason() -> None:
    chosen, _, warnings = choose(0.0, 2.0, 1.0, spread=0.2)
    assert chosen == "model.int8.onnx"
    assert len(warnings) == 1 and "varied by 20 %" in warnings[0]


def test_quality_counts_right_and_equal_answers() -> None:
    reference = np.array([[1, 0], [0, 1], [2, 1], [0, 3]], np.float32)
    logits = np.array([[1, 0], [1, 0.5], [2, 1], [0, 2]], np.float32)
    assert quality(logits, reference, np.array([0, 0, 1, 1])) == Quality(0.75, 0.75, 1.0)


def test_parity_is_relative_to_the_logits_and_does_not_pass_nan() -> None:
    reference = np.array([[100.0, -100.0]], np.float32)
    check_parity(reference + 0.05, reference)
    with pytest.raises(ParityError, match=r"differs from torch's by 0\.2"):
        check_parity(reference + 0.2, reference)
    with pytest.raises(ParityError):
        check_parity(np.full((1, 2), np.nan, np.float32), reference)
