"""A broken limit is a sentence that names file, cost and limit."""

from __future__ import annotations

from nastk.budget import broken_limits, limits_in

COSTS = {"latency_ms": 3.004, "params": 412_345.0, "macs": 2.0e6, "memory_mb": None}


def test_what_is_over_its_limit_is_told_and_nothing_else() -> None:
    limits = {"latency_ms": 3.0, "params": 400_000.0, "macs": 2.0e6, "memory_mb": 1.0}
    late, large = broken_limits(limits, COSTS, "model.onnx")
    assert late.startswith("model.onnx takes 3.004 ms (p50), max_latency_ms is 3; transfer with a lower")
    assert large == "the network has 412,345 parameters, max_params is 400,000"
    assert broken_limits({}, COSTS, "model.onnx") == broken_limits({"latency_ms": 4.0}, COSTS, "model.onnx") == []
    assert broken_limits({"memory_mb": 1.0}, {"memory_mb": 1.5}, "a") == [
        "the network has memory_mb 1.5, max_memory_mb is 1"
    ]


def test_a_latency_that_cannot_be_trusted_is_no_reason_to_transfer_anew() -> None:
    [late] = broken_limits({"latency_ms": 1.0}, COSTS, "model.onnx", "p50 varied by 20 % between repeats")
    assert "not trustworthy: p50 varied by 20 %" in late and "export or bench anew" in late and "transfer" not in late


def test_limits_are_read_from_settings() -> None:
    fields = {"max_latency_ms": 3, "max_params": None, "precision": "int8", "max_macs": True}
    assert limits_in(fields) == {"latency_ms": 3.0} and limits_in(None) == {}
