"""Which network ships where the target's times here decide nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from nastk.deploy.targets import CpuTarget
from nastk.runs.shipping import read_shipping
from tests.commands import Outcome
from tests.jobs.transfer.test_shipping import clock, export, folder, keys

__all__ = ["clock", "export", "folder"]  # fixtures


def test_a_latency_that_decides_nothing_costs_no_network_its_place(
    folder: Path, export: Callable[..., Outcome], monkeypatch: pytest.MonkeyPatch
) -> None:
    searched, _ = keys(folder)
    monkeypatch.setattr(CpuTarget, "times_decide", False)
    export([0.11], [0.09])
    shipping = read_shipping(folder)
    assert shipping is not None and shipping.networks[0].key == searched and not shipping.why
    assert all("latency_ms" not in one.costs and "latency_ms" in one.limits for one in shipping.networks)
