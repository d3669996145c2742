"""What is told of the machine that a latency was taken on."""

from __future__ import annotations

import pytest

from nastk.deploy.export.timings import timed_now
from nastk.deploy.runtimes.machine import heat_warning, machine_facts, runtime_version
from nastk.deploy.targets import CpuTarget, LitertTarget, TensorrtTarget
from nastk.errors import UserError


def test_a_hot_processor_is_one_line_and_a_cool_or_silent_one_none() -> None:
    line = heat_warning({"processor": "Cortex-A72", "temperature_c": 84.6})
    assert line is not None and line.startswith(
        "Cortex-A72 is at 85 degrees Celsius: many processors slow down from 80"
    )
    for facts in ({"temperature_c": 79.0}, {"temperature_c": None}, {}, {"temperature_c": "hot"}):
        assert heat_warning(facts) is None


def test_a_latency_is_by_the_version_of_the_targets_own_runtime() -> None:
    timed = timed_now(CpuTarget())
    assert timed["versions"] == {"onnxruntime": runtime_version("onnxruntime")} == timed_now()["versions"]
    assert (
        set(machine_facts()) == set(timed["machine"]) >= {"features", "governor", "load", "temperature_c", "clock_mhz"}
    )
    pytest.importorskip("ai_edge_litert")
    assert set(timed_now(LitertTarget())["versions"]) == {"ai_edge_litert"}


def test_a_runtime_that_is_not_installed_is_named() -> None:
    with pytest.raises(UserError, match="absent_runtime: is not installed"):
        runtime_version("absent_runtime")
    try:
        import tensorrt  # noqa: F401
    except ImportError:
        with pytest.raises(UserError, match="tensorrt: is not installed"):
            TensorrtTarget().timed_by()
