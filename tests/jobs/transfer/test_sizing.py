"""The rule by which a size is picked: what fits is used up, depth and width grow together, noise does no harm."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nastk.deploy.runtimes.suspects import FileFailed
from nastk.genotype import Genotype
from nastk.genotype.skeleton import filter_widths
from nastk.jobs.transfer.sized import measured_cost
from nastk.jobs.transfer.sizing import (
    Freedom,
    Limit,
    NetworkSize,
    NothingFits,
    TooLarge,
    last_that_fits,
    pick_shape,
    sizes,
)
from nastk.networks import NetworkConfig
from tests.deploy.networks import genotype as cell

START = Freedom(NetworkSize(1, 8))


def weights(shape: NetworkSize) -> Mapping[str, float]:
    """What a network of convolutions weighs, more or less."""
    return {"params": float((3 * shape.depth + 2) * shape.width**2)}


def clock(shape: NetworkSize) -> Mapping[str, float]:
    """A machine that takes a thousandth of a millisecond for each of these weights."""
    return {"latency_ms": weights(shape)["params"] / 1000}


@pytest.mark.parametrize("limit", [400.0, 5_000.0, 54_321.0, 400_000.0])
@pytest.mark.parametrize("start", [NetworkSize(1, 8), NetworkSize(2, 32), NetworkSize(3, 5)])
def test_the_picked_size_fits_and_the_next_wider_and_the_next_deeper_do_not(limit: float, start: NetworkSize) -> None:
    free = Freedom(start)
    picked = pick_shape(weights, [Limit("params", limit, "x")], free)
    assert picked.cost == weights(picked.shape)
    assert picked.cost["params"] <= limit
    wider = next(width for width in free.widths if width > picked.shape.width)
    assert weights(NetworkSize(picked.shape.depth, wider))["params"] > limit
    deeper = NetworkSize(picked.shape.depth + 1, picked.shape.width)
    assert weights(deeper)["params"] > limit or picked.shape.depth == 20
    assert len(picked.measured) < 20


def test_depth_grows_by_1_2_where_width_grows_by_1_1_as_in_efficientnet() -> None:
    row = sizes(Freedom(NetworkSize(2, 16)))
    # phi = 4: 2 * 1.2^4 = 4.1, 16 * 1.1^4 = 23.4; phi = 8: 2 * 1.2^8 = 8.6, 16 * 1.1^8 = 34.3.
    assert {NetworkSize(2, 16), NetworkSize(4, 24), NetworkSize(9, 32)} <= set(row)
    assert row[0] == NetworkSize(1, 2)
    assert row[-1] == NetworkSize(20, 256)
    for one, next_one in itertools.pairwise(row):
        assert one.depth <= next_one.depth
        assert one.width <= next_one.width


def test_filters_are_even_and_multiples_of_8_above_16_and_of_4_for_imagenet() -> None:
    assert filter_widths()[:11] == (2, 4, 6, 8, 10, 12, 14, 16, 24, 32, 40)
    assert filter_widths(step=4, least=8)[:5] == (8, 12, 16, 24, 32)
    assert all(width % 4 == 0 for width in filter_widths(step=4, least=8))


def test_what_is_given_is_kept_and_the_other_is_picked() -> None:
    limit = [Limit("params", 20_000.0, "x")]
    assert pick_shape(weights, limit, Freedom(NetworkSize(1, 8), depth=3)).shape == NetworkSize(3, 40)
    assert pick_shape(weights, limit, Freedom(NetworkSize(1, 8), width=30)).shape == NetworkSize(6, 30)
    assert pick_shape(weights, limit, Freedom(NetworkSize(1, 8), depth=5, width=21)).shape == NetworkSize(5, 21)
    with pytest.raises(NothingFits) as nothing:
        pick_shape(weights, limit, Freedom(NetworkSize(1, 8), depth=5, width=64))
    assert nothing.value.shape == NetworkSize(5, 64)


def test_several_limits_hold_at_once() -> None:
    def cost(shape: NetworkSize) -> Mapping[str, float]:
        return {**weights(shape), "memory_mb": shape.width / 10}

    picked = pick_shape(cost, [Limit("params", 1e6, "x"), Limit("memory_mb", 2.5, "y")], START)
    assert picked.shape == NetworkSize(20, 24)
    assert pick_shape(cost, [Limit("params", 400.0, "x"), Limit("memory_mb", 2.5, "y")], START).cost["params"] <= 400


def test_where_nothing_fits_the_smallest_size_is_named() -> None:
    for cells, smallest in ((None, NetworkSize(1, 2)), (4, NetworkSize(4, 2))):
        with pytest.raises(NothingFits) as nothing:
            pick_shape(weights, [Limit("params", 1.0, "x")], Freedom(NetworkSize(2, 16), depth=cells))
        assert nothing.value.shape == smallest
        assert nothing.value.cost == weights(smallest)


def test_a_size_that_does_not_go_into_memory_does_not_fit() -> None:
    def measure(shape: NetworkSize) -> Mapping[str, float]:
        if shape.width > 40:
            raise TooLarge
        return weights(shape)

    assert pick_shape(measure, [Limit("params", 1e9, "x")], START).shape == NetworkSize(20, 40)


def times(
    slow: Callable[[int, NetworkSize], float],
) -> tuple[list[NetworkSize], Callable[[NetworkSize], Mapping[str, float]]]:
    """A clock that is off by `slow`(measurements of this size so far, size)."""
    asked: list[NetworkSize] = []

    def measure(shape: NetworkSize) -> Mapping[str, float]:
        asked.append(shape)
        return {"latency_ms": clock(shape)["latency_ms"] * slow(asked.count(shape) - 1, shape)}

    return asked, measure


def test_a_machine_that_is_busy_for_a_moment_changes_nothing() -> None:
    limit = [Limit("latency_ms", 20.0, "x")]
    quiet = pick_shape(clock, limit, START).shape
    _, measure = times(lambda times_before, _: 5.0 if times_before == 0 else 1.0)
    assert pick_shape(measure, limit, START).shape == quiet


def test_a_latency_is_measured_again_and_a_size_that_breaks_the_limit_then_gives_way() -> None:
    limit = [Limit("latency_ms", 20.0, "x")]
    quiet = pick_shape(clock, limit, START).shape
    asked, measure = times(lambda times_before, shape: 1.5 if shape == quiet and times_before else 1.0)
    picked = pick_shape(measure, limit, START)
    assert asked.count(quiet) > 1
    assert picked.shape == NetworkSize(quiet.depth - 1, quiet.width)
    assert picked.cost["latency_ms"] <= 20.0
    assert asked[-1] == picked.shape


def test_a_latency_keeps_a_margin_where_there_is_a_choice() -> None:
    exact = clock(NetworkSize(4, 24))["latency_ms"]
    assert pick_shape(clock, [Limit("latency_ms", exact, "x")], START).cost["latency_ms"] < 0.98 * exact
    assert pick_shape(clock, [Limit("latency_ms", exact, "x")], Freedom(NetworkSize(1, 8), 4, 24)).shape == NetworkSize(
        4, 24
    )


@given(st.integers(1, 80), st.integers(-1, 79), st.integers(0, 90))
def test_the_last_that_fits_is_found_wherever_it_is(count: int, last: int, first: int) -> None:
    last = min(last, count - 1)
    asked: list[int] = []

    def fits(index: int) -> bool:
        asked.append(index)
        return index <= last

    assert last_that_fits(fits, count, first) == last
    assert len(asked) == len(set(asked)) <= 16
    assert all(0 <= index < count for index in asked)


@pytest.mark.parametrize(
    "error", [FileFailed("remote a: measuring was ended by SIGKILL"), MemoryError("remote a: none")]
)
def test_what_ends_its_measuring_is_too_large(error: Exception) -> None:
    def cost(genotype: Genotype, config: NetworkConfig) -> dict[str, float]:
        raise error

    with pytest.raises(TooLarge, match="remote a: "):
        measured_cost(cell(), NetworkConfig(), SimpleNamespace(cost=cost))
