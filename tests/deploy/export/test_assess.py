"""Parity, quality and the recommendation."""

import numpy as np
import pytest

from nastk.deploy.export.assess import (
    EvaluatedFile,
    ParityError,
    Quality,
    check_parity,
    quality,
    recommend,
    recommend_untimed,
    shortcomings,
)
from nastk.deploy.runtimes.latency import Latency


def latency(p50: float, spread: float = 0.01) -> Latency:
    return Latency(p50, p50, p50, p50, 200, spread, spread <= 0.05, 1, 1)


def choose(drop: float, fp32_ms: float, int8_ms: float, spread: float = 0.01):
    fp32 = EvaluatedFile("fp32", "model.onnx", Quality(0.95, 1.0, 0.0), latency(fp32_ms, spread))
    int8 = EvaluatedFile("int8", "model.int8.onnx", Quality(0.95 - drop, 0.99, 0.1), latency(int8_ms))
    return recommend([fp32, int8], 0.005)


def test_int8_is_recommended_where_it_is_faster_and_as_good() -> None:
    chosen, reason, warnings = choose(0.004, 2.0, 1.0)
    assert chosen == "model.int8.onnx" and warnings == ()
    assert "1 ms" in reason and "2 ms" in reason and "0.40 points" in reason


@pytest.mark.parametrize(
    ("drop", "told"),
    [
        (0.0028, "it loses 0.28 points of accuracy"),
        (-0.0028, "it gains 0.28 points of accuracy"),
        (0.0, "it loses no accuracy"),
        (-1e-9, "it loses no accuracy"),
    ],
)
def test_what_int8_does_to_accuracy_is_said_as_one_would(drop: float, told: str) -> None:
    assert choose(drop, 2.0, 1.0)[1].endswith(told)


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


def test_the_file_within_the_limit_is_shipped_and_what_it_loses_is_said() -> None:
    first = EvaluatedFile("fp32", "a", Quality(0.95, 1.0, 0.0), latency(2.0))
    quick = EvaluatedFile("int8", "b", Quality(0.90, 1.0, 0.0), latency(0.5))
    half = EvaluatedFile("fp16", "c", Quality(0.94, 1.0, 0.0), latency(1.0))
    chosen, reason, warnings = recommend([first, quick, half], 0.005, 1.0)
    assert (chosen, reason) == ("c", "fp16 takes 1 ms, fp32 2 ms, 1 are allowed, and it loses 1.00 points of accuracy")
    assert len(warnings) == 2 and "5.00 points" in warnings[0]
    assert recommend([first, quick, half], 0.005, 0.7)[0] == recommend([first, quick, half], 0.005, 0.3)[0] == "b"
    assert recommend([first, quick, half], 0.005, 2.5)[0] == recommend([first, quick, half], 0.005)[0] == "a"


def test_of_several_that_gain_the_fastest_is_shipped() -> None:
    first = EvaluatedFile("fp32", "a", Quality(0.95, 1.0, 0.0), latency(2.0))
    half = EvaluatedFile("fp16", "b", Quality(0.95, 1.0, 0.0), latency(1.0))
    int8 = EvaluatedFile("int8", "c", Quality(0.95, 1.0, 0.0), latency(0.5))
    bad = EvaluatedFile("int4", "d", Quality(0.5, 1.0, 0.0), latency(0.2))
    assert recommend([first, half, int8, bad], 0.005)[0] == recommend([first, bad, int8, half], 0.005)[0] == "c"
    assert "45.00 points" in recommend([first, half, int8, bad], 0.005)[2][0]


def test_what_was_not_measured_here_is_not_recommended() -> None:
    first = EvaluatedFile("fp32", "a", Quality(0.95, 1.0, 0.0), None)
    chosen, reason, _ = recommend([first, EvaluatedFile("int8", "b", Quality(0.95, 1.0, 0.0), None)], 0.005)
    assert chosen == "a" and reason == "int8 was not timed on this machine"
    assert "not run" in recommend([first, EvaluatedFile("int8", "b", None, None)], 0.005)[1]
    worse = recommend([first, EvaluatedFile("int8", "b", Quality(0.75, 1.0, 0.0), None)], 0.005)[2]
    assert len(worse) == 2 and "loses 20.00 points" in worse[0] and "not timed" in worse[1]


def test_a_further_target_that_loses_too_much_or_was_timed_unsteadily_is_a_warning() -> None:
    first = EvaluatedFile("fp32", "model.tflite", Quality(0.95, 1.0, 0.0), latency(2.0))
    good = EvaluatedFile("int8", "model.int8.tflite", Quality(0.948, 1.0, 0.0), latency(3.0))
    assert shortcomings("litert", [first, good], 0.005) == []
    bad = EvaluatedFile("int8", "model.int8.tflite", Quality(0.75, 1.0, 0.0), latency(1.0, spread=0.2))
    loss, unsteady = shortcomings("litert", [first, bad], 0.005)
    assert loss.startswith("target litert: int8 loses 20.00 points of accuracy (0.9500 to 0.7500), more than the 0.50")
    assert unsteady.startswith("target litert: model.int8.tflite: p50 varied by 20 %")
    assert shortcomings("litert", [first, EvaluatedFile("int8", "b", None, None)], 0.005) == []


def test_quality_counts_right_and_equal_answers() -> None:
    reference = np.array([[1, 0], [0, 1], [2, 1], [0, 3]], np.float32)
    logits = np.array([[1, 0], [1, 0.5], [2, 1], [0, 2]], np.float32)
    assert quality(logits, reference, np.array([0, 0, 1, 1])) == Quality(0.75, 0.75, 1.0)


def test_balanced_accuracy_is_over_the_classes_that_have_test_images() -> None:
    logits = np.eye(4, dtype=np.float32)[[0, 0, 0, 0, 1, 0]]
    found = quality(logits, logits, np.array([0, 0, 0, 0, 1, 1]))
    assert found.accuracy == pytest.approx(5 / 6)
    assert found.balanced_accuracy == pytest.approx(0.75), "two of the four classes have none"


def test_parity_is_relative_to_the_logits_and_does_not_pass_nan() -> None:
    reference = np.array([[100.0, -100.0]], np.float32)
    check_parity("model.onnx", reference + 0.05, reference)
    with pytest.raises(ParityError, match=r"differs from torch's by 0\.2"):
        check_parity("model.onnx", reference + 0.2, reference)
    with pytest.raises(ParityError):
        check_parity("model.onnx", np.full((1, 2), np.nan, np.float32), reference)


def test_a_target_whose_times_decide_nothing_ships_int8_whatever_was_timed() -> None:
    first = EvaluatedFile("fp32", "a", Quality(0.95, 1.0, 0.0), latency(1.0))
    int8 = EvaluatedFile("int8", "b", Quality(0.948, 1.0, 0.0), latency(2.0, spread=0.3))
    chosen, reason, warnings = recommend_untimed([first, int8], 0.005)
    assert (chosen, reason, warnings) == ("b", "int8 is what runs there, and it loses 0.20 points of accuracy", ())
    chosen, reason, warnings = recommend_untimed([first, int8], 0.001)
    assert chosen == "a" and warnings == (reason,) and "0.20 points of accuracy" in reason
    chosen, reason, warnings = recommend_untimed([first, EvaluatedFile("int8", "b", None, None)], 0.005)
    assert chosen == "b" and warnings == (reason,) and "not run on this machine" in reason


def judged(precision: str, test: float, held_out: float | None, p50: float) -> EvaluatedFile:
    return EvaluatedFile(precision, precision, Quality(test, 1.0, 0.0, held_out=held_out), latency(p50))


def test_images_held_out_decide_and_the_test_images_only_where_there_are_none() -> None:
    fp32, good, bad = judged("fp32", 0.95, 0.90, 2.0), judged("int8", 0.80, 0.90, 1.0), judged("int8", 0.95, 0.8, 1.0)
    chosen, reason, warnings = recommend([fp32, good], 0.005)
    assert chosen == "int8" and warnings == ()
    assert reason == "int8 takes 1 ms, fp32 2 ms, and it loses no accuracy on held-out images"
    chosen, _, (warning,) = recommend([fp32, bad], 0.005)
    assert chosen == "fp32"
    assert "int8 loses 10.00 points of accuracy on held-out images (0.9000 to 0.8000)" in warning
    assert len(shortcomings("arm", [fp32, bad], 0.005)) == 1 and not shortcomings("arm", [fp32, good], 0.005)
    half = judged("fp16", 0.70, 0.85, 1.5)
    assert recommend([fp32, half, bad], 0.005, 1.6)[0] == "fp16"
    assert recommend([judged("fp32", 0.95, None, 2.0), bad], 0.005)[0] == "int8"
