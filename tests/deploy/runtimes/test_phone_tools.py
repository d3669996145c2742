"""What benchmark programs print, by samples of their sources, and the headers of programs."""

from __future__ import annotations

import pytest

from nastk.deploy.runtimes.elf import abi_of
from nastk.deploy.runtimes.phone_tools import BENCHMARK_MODEL, EXECUTOR_RUNNER, PERF_TEST, Asked, parsed
from nastk.errors import UserError

ASKED = Asked("0.tflite", 1, 2, runs=3, warmup=2)
OLD = "INFO: count=50 first=15 curr=14 min=13 max=20 avg=14.5 std=1\n"
NEW = OLD.rstrip() + " p5=13 median=14 p95=18\n"


def test_the_runs_of_benchmark_model_are_its_last_statistics() -> None:
    found = parsed(BENCHMARK_MODEL, NEW.replace("median=14", "median=15") + NEW, ASKED, "x")
    assert (found.p50, found.p90, found.p99, found.least, found.runs) == (14e-6, 18e-6, 20e-6, 13e-6, 50)
    same = parsed(BENCHMARK_MODEL, "count=50 curr=7(all same) p5=7 median=7 p95=7", ASKED, "x")
    assert (same.p50, same.p99, same.least) == (7e-6, 7e-6, 7e-6)


@pytest.mark.parametrize("said", ["", OLD, NEW.replace("p95=18", "p95=2"), NEW.replace("min=13", "min=-3")])
def test_statistics_that_lack_a_median_or_cannot_be_are_refused(said: str) -> None:
    with pytest.raises(UserError, match="^x: benchmark_model printed no times .*median"):
        parsed(BENCHMARK_MODEL, said, ASKED, "x")


def test_the_first_runs_of_the_others_are_a_warm_up() -> None:
    rows = "".join(f"tmp,{time},1400,99,{number}\n" for number, time in enumerate((9, 8, 0.001, 2e-3, 3e-3)))
    assert parsed(PERF_TEST, f"Total iterations: 5\n{rows}", ASKED, "x").times == (0.001, 0.002, 0.003)
    lines = [f"Iteration {number} of 5: {number}.500000 ms\n" for number in range(1, 6)]
    twice = "".join(f"{line}I 00:00:00.001 executorch:executor_runner.cpp:640] {line}" for line in lines)
    assert parsed(EXECUTOR_RUNNER, twice, ASKED, "x").times == (0.0035, 0.0045, 0.0055)
    for tool, less in (
        (PERF_TEST, rows[:-2]),
        (EXECUTOR_RUNNER, "".join(lines[:4])),
        (PERF_TEST, rows.replace("0.001", "inf")),
    ):
        with pytest.raises(UserError, match=f"{tool.title} printed no times"):
            parsed(tool, less, ASKED, "x")


def header(bits: int, machine: int, order: int = 1) -> bytes:
    return b"\x7fELF" + bytes((bits, order)) + bytes(12) + machine.to_bytes(2, "little")


def test_the_header_tells_the_processor() -> None:
    assert abi_of(header(2, 183), "x") == "arm64-v8a" and abi_of(header(1, 40), "x") == "armeabi-v7a"
    for wrong in (b"", b"#!/bin/sh\necho hello\n", header(2, 183)[:19], header(2, 183, order=2)):
        with pytest.raises(UserError, match="x: no ELF file"):
            abi_of(wrong, "x")
    with pytest.raises(UserError, match="x: built for ELF machine 8 of 32 bits, expected one of arm64-v8a"):
        abi_of(header(1, 8), "x")
