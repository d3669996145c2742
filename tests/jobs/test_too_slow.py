"""What a search says where one candidate after another breaks the limits."""

from __future__ import annotations

import pytest
from omegaconf import OmegaConf

from nastk.jobs.too_slow import REJECTED_IN_A_ROW, TooSlow
from nastk.objective import Objective
from nastk.runs.trials import Row, State

CONFIG = OmegaConf.create(
    {"data": {"resize": 224}, "evaluator": {"network": {"stem": "cifar", "filters": 8, "cells": 1}}}
)
LIMITED = Objective(max_latency_ms=5.0, max_params=1e6)


def row(number: int, state: State = "rejected", latency: float = 30.0, params: float = 1e5) -> Row:
    return Row(number, state, f"key{number}", {}, {"latency_ms": latency, "params": params}, 0.0, "", {})


def test_after_ten_in_a_row_it_names_what_to_change_and_says_so_once(capsys: pytest.CaptureFixture[str]) -> None:
    slow = TooSlow(CONFIG, LIMITED, [row(0), row(1, "complete", 4.0)])
    for number in range(REJECTED_IN_A_ROW - 1):
        slow.watch(row(number, latency=24.7 + number))
    slow.watch(row(98, "duplicate"))
    assert capsys.readouterr().err == ""
    slow.watch(row(99))
    told = capsys.readouterr().err
    assert (
        "the last 10 candidates break the limits; the nearest has latency_ms 24.7, objective.max_latency_ms is 5"
        in told
    )
    assert "data.resize=112 (now 224)" in told
    assert "evaluator.network.stem=stride2 (now cifar)" in told
    assert "evaluator.network.filters=4 (now 8)" in told
    slow.watch(row(100))
    assert capsys.readouterr().err == ""


def test_pixels_do_not_make_fewer_parameters() -> None:
    slow = TooSlow(CONFIG, LIMITED, [row(0, latency=4.0, params=2e6)])
    assert "params 2e+06" in slow.advice()
    assert "resize" not in slow.advice()
    assert TooSlow(CONFIG, LIMITED, [row(0), row(1, "complete")]).advice() == ""
