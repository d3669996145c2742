"""Sizes of real cells: counted or measured, recorded, and kept when a transfer goes on."""

from __future__ import annotations

import dataclasses
import json
import random
from pathlib import Path

import pytest

from nastk.deploy.targets import CpuTarget
from nastk.errors import UserError
from nastk.genotype import Genotype
from nastk.genotype.skeleton import FILTERS
from nastk.genotype.stages import Stage, StageGenotype
from nastk.jobs.transfer.size_choice import Sizing
from nastk.jobs.transfer.sized import NoSizeFits, counted_cost, sized_network
from nastk.jobs.transfer.sizing import Limit
from nastk.networks import NetworkConfig, build_network, count_macs, count_parameters
from nastk.spaces import DartsSpace, NasBench201Space, NasnetSpace, Space, random_genotype

NETWORK = NetworkConfig(channels=1, size=8, auxiliary=True)
SPACES = (NasnetSpace(blocks=2), DartsSpace(), NasBench201Space())


def cells(space: Space = SPACES[2]) -> Genotype:
    return random_genotype(space, random.Random(2))


def sizing(*limits: Limit, target: object = None, start: tuple[int, int] = (1, 4), **network: object) -> Sizing:
    facts = {"_target_": "a target"} if target is not None else None
    config = dataclasses.replace(NETWORK, **network)  # type: ignore[arg-type]
    return Sizing(config, limits, {"cells": start[0], "filters": start[1]}, target, facts)  # type: ignore[arg-type]


def shape(config: NetworkConfig) -> tuple[float, float]:
    """Returns N and F."""
    return config.sizes["cells"], config.sizes["filters"]


class Clock:
    """A target on which a network takes a millisecond for each 10,000 parameters; counts what it was asked."""

    name, files = "clock", ()

    def __init__(self) -> None:
        self.asked: list[tuple[int, int]] = []

    def cost(self, genotype: Genotype, config: NetworkConfig) -> dict[str, float]:
        self.asked.append(shape(config))
        cost = counted_cost(genotype, config)
        return {**cost, "latency_ms": cost["params"] / 10_000}

    def measure(self, paths: object, **_: object) -> list[object]:
        raise NotImplementedError


@pytest.mark.parametrize("space", SPACES, ids=lambda space: type(space).__name__)
@pytest.mark.parametrize(("metric", "limit"), [("params", 60_000.0), ("macs", 1_500_000.0)])
def test_counted_limits_hold_for_the_network_that_is_built_and_not_for_the_next_wider(
    space: Space, metric: str, limit: float, tmp_path: Path
) -> None:
    genotype = cells(space)
    config = sized_network(genotype, sizing(Limit(metric, limit, "transfer.x")), tmp_path / "net")

    def counted(filters: int) -> float:
        made = dataclasses.replace(config, filters=filters)
        network = build_network(genotype, made)
        return count_parameters(network, auxiliary=False) if metric == "params" else count_macs(network, made)

    wider = next(width for width in FILTERS.choices("") if width > config.sizes["filters"])
    assert counted(config.sizes["filters"]) <= limit < counted(wider)
    assert (config.auxiliary, config.size) == (True, 8)
    record = json.loads((tmp_path / "net" / "shape.json").read_text())
    assert (record["schema"], record["key"]) == (1, genotype.key)
    assert (record["cells"], record["filters"]) == shape(config)
    assert record["cost"][metric] == counted(config.sizes["filters"])
    assert record["limits"] == {f"max_{metric}": limit}


def test_the_imagenet_stem_gets_filters_that_it_can_work_with(tmp_path: Path) -> None:
    how = sizing(Limit("params", 150_000.0, "x"), start=(1, 10), stem="imagenet", size=32, auxiliary=False)
    config = sized_network(cells(SPACES[0]), how, tmp_path)
    assert config.sizes["filters"] % 4 == 0
    build_network(cells(SPACES[0]), config)


def test_a_latency_is_the_targets_own_measurement_of_the_untrained_network(tmp_path: Path) -> None:
    clock = Clock()
    config = sized_network(cells(), sizing(Limit("latency_ms", 8.0, "x"), target=clock), tmp_path)
    record = json.loads((tmp_path / "shape.json").read_text())
    assert record["cost"]["latency_ms"] == counted_cost(cells(), config)["params"] / 10_000
    assert 4.0 < record["cost"]["latency_ms"] <= 8.0
    assert [(entry["cells"], entry["filters"]) for entry in record["measured"]] == clock.asked
    assert record["target"] == {"_target_": "a target"}


def test_on_this_machine_the_picked_network_keeps_within_the_limit(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = CpuTarget(seconds=0.02, precision="int8")
    limit = Limit("latency_ms", 0.15, "transfer.max_latency_ms")
    config = sized_network(cells(), sizing(limit, target=target, filters=8), tmp_path)
    record = json.loads((tmp_path / "shape.json").read_text())
    assert record["cost"]["latency_ms"] <= 0.15
    assert record["cost"]["params"] == counted_cost(cells(), config)["params"]
    said = capsys.readouterr().err
    assert f"N={config.sizes['cells']}, F={config.sizes['filters']}" in said
    assert "of 0.15 (transfer.max_latency_ms)" in said


def test_a_transfer_that_goes_on_keeps_its_size_without_measuring(tmp_path: Path) -> None:
    clock = Clock()
    how = sizing(Limit("latency_ms", 8.0, "x"), target=clock)
    config = sized_network(cells(), how, tmp_path)
    (tmp_path / "training.json").write_text("{}")
    (tmp_path / "last.ckpt").write_text("half of a training")
    asked, record = len(clock.asked), (tmp_path / "shape.json").read_bytes()
    renamed = sizing(Limit("latency_ms", 8.0, "another name of the limit"), target=clock)
    assert sized_network(cells(), renamed, tmp_path) == config
    assert len(clock.asked) == asked
    with pytest.raises(UserError, match=r"sized otherwise .limits .'max_latency_ms': 8.0. there, .*9.0. here"):
        sized_network(cells(), sizing(Limit("latency_ms", 9.0, "x"), target=clock), tmp_path)
    with pytest.raises(UserError, match=r"sized otherwise .given .* there, .*'cells': 2.* here"):
        sized_network(cells(), sizing(Limit("latency_ms", 8.0, "x"), target=clock, cells=2), tmp_path)
    assert (tmp_path / "shape.json").read_bytes() == record


def test_before_anything_is_trained_another_limit_may_be_given(tmp_path: Path) -> None:
    first = sized_network(cells(), sizing(Limit("params", 20_000.0, "x")), tmp_path)
    second = sized_network(cells(), sizing(Limit("params", 200_000.0, "x")), tmp_path)
    assert second.sizes["filters"] > first.sizes["filters"]


@pytest.mark.parametrize("text", ["{", "[]", '{"cells": 3}', '{"cells": "x", "filters": 2}'])
def test_a_damaged_record_is_named(text: str, tmp_path: Path) -> None:
    (tmp_path / "shape.json").write_text(text)
    with pytest.raises(UserError, match=r"shape\.json: "):
        sized_network(cells(), sizing(Limit("params", 20_000.0, "x")), tmp_path)


def test_what_nothing_meets_is_said_with_the_smallest_cost(tmp_path: Path) -> None:
    smallest = counted_cost(cells(), dataclasses.replace(NETWORK, cells=1, filters=2))["params"]
    with pytest.raises(NoSizeFits) as nothing:
        sized_network(cells(), sizing(Limit("params", 100.0, "transfer.max_params")), tmp_path / "net")
    assert str(nothing.value).startswith("transfer.max_params=100: ")
    assert f"nothing fits: the smallest size, N=1, F=2, has params {smallest:,}" in str(nothing.value)
    assert not (tmp_path / "net").exists()


def test_a_given_size_must_meet_the_transfers_limits_and_is_warned_of_the_searchs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(NoSizeFits, match="the given size, N=3, F=20, has params"):
        sized_network(cells(), sizing(Limit("params", 5_000.0, "transfer.max_params"), cells=3, filters=20), tmp_path)
    config = sized_network(
        cells(), sizing(Limit("params", 5_000.0, "objective.max_params"), cells=3, filters=20), tmp_path
    )
    assert shape(config) == (3, 20)
    assert "is broken by the given cells and filters" in capsys.readouterr().err


def test_without_limits_the_size_is_the_given_one_or_2_and_16_and_nothing_is_written(tmp_path: Path) -> None:
    plain = sized_network(cells(), sizing(), tmp_path / "net")
    assert shape(plain) == (2, 16)
    deep = sized_network(cells(), sizing(cells=5), tmp_path / "net")
    assert shape(deep) == (5, 16)
    assert not (tmp_path / "net").exists()


def test_a_cost_that_the_target_does_not_tell_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="max_memory_mb=3: the target does not measure memory_mb, it measures latency"):
        sized_network(cells(), sizing(Limit("memory_mb", 3.0, "transfer.max_memory_mb"), target=Clock()), tmp_path)


def test_weights_beyond_what_a_file_holds_count_as_too_large(tmp_path: Path) -> None:
    class Full(Clock):
        def cost(self, genotype: Genotype, config: NetworkConfig) -> dict[str, float]:
            if config.sizes["filters"] > 8:
                raise MemoryError("full")
            return super().cost(genotype, config)

    config = sized_network(cells(), sizing(Limit("latency_ms", 1e6, "x"), target=Full()), tmp_path)
    assert shape(config) == (20, 8)


def test_a_candidates_own_stem_and_first_stack_stay_at_every_size(tmp_path: Path) -> None:
    space = NasnetSpace(blocks=1, stem=["stride2"], first_cells=[0])
    genotype = random_genotype(space, random.Random(0))
    found = sized_network(genotype, sizing(Limit("macs", 400_000.0, "transfer.max_macs")), tmp_path / "a")
    assert (found.stem, found.first_cells) == ("stride2", 0)
    assert counted_cost(genotype, found)["macs"] <= 400_000
    record = json.loads((tmp_path / "a" / "shape.json").read_text())
    assert (record["network"]["stem"], record["network"]["first_cells"]) == ("stride2", 0)
    assert counted_cost(genotype, found) == record["cost"]
    free = sized_network(genotype, sizing(), tmp_path / "b")
    assert (free.stem, free.first_cells) == ("stride2", 0)


def test_a_resolution_of_its_own_is_the_networks_at_every_size(tmp_path: Path) -> None:
    genotype = StageGenotype((Stage("conv", 8, 1, 2),), resolution=6)
    found = sized_network(genotype, sizing(Limit("macs", 20_000.0, "transfer.max_macs")), tmp_path / "a")
    assert (found.size, found.shape) == (6, (1, 6, 6))
    assert count_macs(build_network(genotype, found), found) == counted_cost(genotype, found)["macs"] <= 20_000
