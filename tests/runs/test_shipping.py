"""In which order exported networks ship, when a decision stands, and what is said of it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nastk.errors import UserError
from nastk.runs.ranking import Ranked, ranked, write_ranking
from nastk.runs.ship_reason import ship_reason
from nastk.runs.shipping import (
    Exported,
    Shipping,
    read_shipping,
    ship_places,
    shipping_order,
    standing_by,
    write_shipping,
)

RANKING = ranked(
    [
        Ranked("a" * 32, 0.95, 0.9, 400, 0.1, "transfer/a"),
        Ranked("b" * 32, 0.946, 0.9, 300, 0.1, "transfer/b", baseline="resnet18"),
        Ranked("c" * 32, 0.9, 0.9, 200, 0.1, "transfer/c", baseline="mobilenet_v2"),
    ]
)
A, B, C = (entry.key for entry in RANKING)


def one(key: str, latency: float | None = None, limit: float | None = 0.1, **fields: Any) -> Exported:
    """Returns a network that takes so many of so many milliseconds."""
    known = {
        "limits": {} if limit is None else {"latency_ms": limit},
        "costs": {} if latency is None else {"latency_ms": latency},
    }
    return Exported(key, "model.onnx", f"hash of {key}", **{**known, "uncertainty": 0.01, **fields})


def shipped(*networks: Exported) -> tuple[list[str], str]:
    order = shipping_order(networks, RANKING)
    return [network.key for network in order], ship_reason(order, RANKING)


def test_what_keeps_every_limit_goes_first_and_then_the_ranking_decides() -> None:
    assert shipped(one(A, 0.1), one(B, 0.09), one(C, 0.05)) == ([A, B, C], "")
    assert shipped(one(A, 0.9, limit=None), one(B, 0.1, limit=None)) == ([A, B], "")
    assert shipped(one(A), one(B, 0.09)) == ([A, B], "")  # not timed: nothing says that it breaks the limit
    order, why = shipped(one(A, 0.11), one(B, 0.09), one(C, 0.05))
    assert order == [B, C, A]
    assert why == (
        "the baseline resnet18 ships: the searched network aaaaaaaa was 0.4 points better on held-out images but takes "
        "0.110 ms of at most 0.100"
    )
    order, why = shipped(one(A, 0.11), one(B, 0.1001, trusted=False), one(C, 0.05))
    assert order == [C, B, A] and why.endswith("; 1 more that was better breaks a limit too")


@pytest.mark.parametrize(
    ("metric", "cost", "limit", "told"),
    [
        ("latency_ms", 0.1003, 0.1, "takes 0.1003 ms of at most 0.1000"),
        ("latency_ms", 0.0488, 0.0397, "takes 0.0488 ms of at most 0.0397"),
        ("params", 412_345, 400_000, "has 412,345 parameters of at most 400,000"),
        ("macs", 2_100_000, 2_000_000, "has 2,100,000 multiply-accumulates of at most 2,000,000"),
        ("memory_mb", 1.6, 1.5, "needs 1.60 MB for activations of at most 1.50"),
        ("model_kb", 498, 400, "weighs 498.0 kB of at most 400.0"),
    ],
)
def test_every_limit_counts_and_is_told_in_its_unit(metric: str, cost: float, limit: float, told: str) -> None:
    broken = Exported(A, "model.onnx", "x", {metric: limit}, {metric: cost})
    order, why = shipped(broken, Exported(B, "model.onnx", "y", {metric: limit}, {metric: limit}))
    assert order == [B, A] and why.endswith(f"was 0.4 points better on held-out images but {told}")


def test_where_none_keeps_every_limit_what_breaks_them_least_ships_and_that_is_said() -> None:
    order, why = shipped(one(A, 0.2), one(B, 0.12), one(C, 0.13))
    assert order == [B, C, A]
    assert why == (
        "no file of the 3 networks keeps every limit: the baseline resnet18 breaks them least, it takes 0.120 ms of at "
        "most 0.100"
    )
    both = Exported(C, "model.onnx", "z", {"latency_ms": 0.1, "params": 100}, {"latency_ms": 0.11, "params": 115})
    assert shipped(one(B, 0.12), both)[0] == [B, C]  # 10 and 15 % are more than 20
    alone = shipped(one(B, 0.12))[1]
    assert alone.startswith("the baseline resnet18 ships, the only one that is exported, although it takes 0.120 ms")
    assert alone.endswith("; the searched network aaaaaaaa, better on held-out images, is not exported")


def test_a_better_one_without_files_cannot_ship_and_that_is_said() -> None:
    assert shipped(one(B, 0.09))[1] == (
        "the baseline resnet18 ships: the searched network aaaaaaaa was 0.4 points better on held-out images but is "
        "not exported"
    )
    level = [RANKING[0], replace(RANKING[1], validation_accuracy=0.95)]
    assert "was as good on held-out images and is smaller but" in ship_reason([one(B, 0.09)], level)


@pytest.mark.parametrize(
    ("before", "now", "decides"),
    [
        (0.0995, 0.1005, 0.0995),  # as near as the clock is unsure, on either side
        (0.1005, 0.0995, 0.1005),
        (0.09, 0.1005, 0.09),
        (0.0995, 0.102, 0.102),  # clearly slower
        (0.1005, 0.098, 0.098),  # clearly quicker
        (0.13, 0.0995, 0.0995),  # the machine was busy then
    ],
)
def test_a_decision_stands_until_a_latency_clearly_says_otherwise(before: float, now: float, decides: float) -> None:
    assert standing_by(one(A, now), one(A, before)).costs["latency_ms"] == decides
    assert standing_by(one(A, now), None).costs["latency_ms"] == now
    for other in ({"sha256": "of another file"}, {"limits": {"latency_ms": 0.2}}):
        assert standing_by(one(A, now), replace(one(A, before), **other)).costs["latency_ms"] == now


def test_a_latency_on_the_other_side_than_the_one_that_decided_is_said_to_be() -> None:
    order = shipping_order([one(A, 0.0995), one(B, 0.09)], RANKING)
    assert ship_reason(order, RANKING, {A: 0.1003, B: 0.09}) == (
        "the searched network aaaaaaaa ships; it took 0.0995 ms of at most 0.1 when that was decided, and its 0.1003 "
        "ms now are no further from 0.1000 than the clock is unsure"
    )
    order = shipping_order([one(A, 0.1005), one(B, 0.09)], RANKING)
    assert "takes 0.1005 ms of at most 0.1000 when that was decided, and its 0.0995 ms now are no" in ship_reason(
        order, RANKING, {A: 0.0995, B: 0.09}
    )


def made(run: Path, *exports: str) -> Path:
    for key in exports:
        (run / "export" / key).mkdir(parents=True)
        (run / "export" / key / "manifest.json").touch()
    (run / "transfer").mkdir()
    write_ranking(run, RANKING)
    return run


def test_it_is_read_as_it_was_written_and_a_run_of_before_has_the_order_of_its_ranking(tmp_path: Path) -> None:
    run = made(tmp_path, A, B)
    assert read_shipping(run) is None and list(ship_places(run)) == [A, B, C]
    decided = Shipping((one(B, 0.09), one(A, 0.11, trusted=False, timed_again=True)), "why", 200.0)
    write_shipping(run, decided)
    assert read_shipping(run) == decided
    assert ship_places(run) == {B: 1, A: 2, C: 3}
    assert [entry["over"] for entry in json.loads((run / "ship.json").read_text())["networks"]] == [
        0,
        pytest.approx(0.1),
    ]
    (run / "export" / B / "manifest.json").unlink()
    assert list(ship_places(run)) == [A, B, C], "what was taken away cannot ship"


@pytest.mark.parametrize(
    "change",
    [
        {"schema": 2},
        {"networks": []},
        {"networks": [3]},
        {"networks": [{"key": "a", "file": "b", "sha256": "c", "limits": {"latency_ms": 0}, "costs": {}}]},
        {"networks": [{"key": "a", "file": "b", "sha256": "c", "limits": {"latency_ms": "x"}, "costs": {}}]},
        {"networks": [{"file": "b", "sha256": "c", "limits": {}, "costs": {}}]},
    ],
)
def test_a_damaged_one_is_a_line_that_names_it(tmp_path: Path, change: dict[str, Any]) -> None:
    run = made(tmp_path, A, B)
    write_shipping(run, Shipping((one(B, 0.09),)))
    path = run / "ship.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(UserError, match=r"ship\.json"):
        ship_places(run)
