"""Tests of the latency predictor that learns from (cell, latency) pairs."""

from __future__ import annotations

import dataclasses
import json
import random
from pathlib import Path

import numpy as np
import pytest

from nastk.deploy.cost.learned import LearnedLatency, learn_latency, read_learned, write_learned
from nastk.errors import UserError
from nastk.genotype import Genotype
from nastk.genotype.usage import LIVE, edge_usages
from nastk.networks import NetworkConfig
from nastk.spaces import NasBench201Space, NasnetSpace, random_genotype

COSTS = {"identity": 0.1, "conv_1x1": 1.0, "conv_3x3": 6.0, "avg_pool_3x3": 1.7}
DEVICE = {"name": "Pixel 3"}


def cells(count: int, seed: int = 0) -> list[Genotype]:
    rng = random.Random(seed)
    return [random_genotype(NasBench201Space(), rng) for _ in range(count)]


def eager(cell: Genotype) -> float:
    return 2 + sum(COSTS[op] for _, op, _ in edge_usages(cell["normal"]))


def pruned(cell: Genotype) -> float:
    return 2 + sum(COSTS[op] for _, op, usage in edge_usages(cell["normal"]) if usage == LIVE)


@pytest.fixture(scope="module")
def learned() -> LearnedLatency:
    return learn_latency(cells(100), [eager(cell) for cell in cells(100)], DEVICE, NetworkConfig().to_dict())


def test_finds_a_device_that_runs_every_operation(learned: LearnedLatency):
    assert learned.reading == "every"
    for cell in cells(50, seed=1):
        assert learned.predict(cell) == pytest.approx(eager(cell), rel=0.03)


def test_finds_a_device_that_leaves_out_what_the_output_does_not_need():
    learned = learn_latency(cells(200), [pruned(cell) for cell in cells(200)], DEVICE)
    close = [abs(learned.predict(cell) / pruned(cell) - 1) < 0.1 for cell in cells(200, seed=1)]
    assert learned.reading != "every"
    assert np.mean(close) > 0.9


def test_a_third_of_throttled_measurements_does_not_move_the_rest():
    rng = random.Random(2)
    latencies = [eager(cell) * (1.4 if rng.random() < 0.33 else 1.0) for cell in cells(200)]
    learned = learn_latency(cells(200), latencies, DEVICE)
    close = [abs(learned.predict(cell) / eager(cell) - 1) < 0.1 for cell in cells(200, seed=1)]
    assert np.mean(close) > 0.95


def test_other_spaces_need_no_other_predictor():
    rng = random.Random(0)
    genotypes = [random_genotype(NasnetSpace(), rng) for _ in range(150)]
    latencies = [
        1 + sum(0.2 if "sep" in op else 0.05 for _, cell in g.cells for _, op, _ in edge_usages(cell))
        for g in genotypes
    ]
    learned = learn_latency(genotypes[:100], latencies[:100], DEVICE)
    predicted = [learned.predict(genotype) for genotype in genotypes[100:]]
    assert predicted == pytest.approx(latencies[100:], rel=0.05)


def test_a_file_gives_the_same_predictions(learned: LearnedLatency, tmp_path: Path):
    write_learned(tmp_path / "pixel3.json", learned)
    again = read_learned(tmp_path / "pixel3.json")
    assert again == learned
    assert again.device == DEVICE


def test_a_changed_file_is_refused(learned: LearnedLatency, tmp_path: Path):
    path = tmp_path / "pixel3.json"
    write_learned(path, learned)
    content = json.loads(path.read_text())
    content["base_ms"] *= 2
    path.write_text(json.dumps(content))
    with pytest.raises(UserError, match="hash"):
        read_learned(path)


def test_unknown_operations_and_skeletons_are_named(learned: LearnedLatency):
    wider = NasBench201Space(ops=("conv_3x3", "dw_conv_5x5"))
    strange = next(
        cell for cell in (random_genotype(wider, random.Random(seed)) for seed in range(9)) if "dw_conv_5x5" in cell.ops
    )
    with pytest.raises(UserError, match=r"Pixel 3 'normal/dw_conv_5x5'; nearest is "):
        learned.predict(strange)
    with pytest.raises(UserError, match="'nasbench201'.*'nasnet'"):
        learned.predict(random_genotype(NasnetSpace(), random.Random(0)))


def test_networks_of_another_size_are_refused(learned: LearnedLatency):
    learned.check_network(NetworkConfig())
    with pytest.raises(UserError, match="filters=16, this search's have filters=32"):
        learned.check_network(NetworkConfig(filters=32))


@pytest.mark.parametrize(
    ("count", "latencies", "message"),
    [
        (10, [1.0] * 10, "10, expected at least 20"),
        (20, [1.0] * 19, "20 cells, 19 latencies"),
        (20, [1.0] * 19 + [float("nan")], "nan ms"),
        (20, [1.0] * 19 + [0.0], "0.0 ms"),
    ],
)
def test_pairs_that_cannot_be_are_refused(count: int, latencies: list[float], message: str):
    with pytest.raises(UserError, match=message):
        learn_latency(cells(count), latencies, DEVICE)


def test_what_candidates_choose_themselves_is_learnt_apart_and_is_no_other_size() -> None:
    rng = random.Random(0)
    space = NasnetSpace(blocks=1, ops=("conv_1x1", "identity"), stem=["cifar", "stride2"])
    pairs = [random_genotype(space, rng) for _ in range(200)]
    latencies = [eager(one) / (4 if one.own_network["stem"] == "stride2" else 1) for one in pairs]
    predictor = learn_latency(pairs, latencies, DEVICE, NetworkConfig().to_dict())
    for one, latency in zip(pairs[:20], latencies, strict=False):
        predictor.check_network(NetworkConfig().of(one), own=one.own_network)
        assert predictor.predict(one) == pytest.approx(latency, rel=0.05)
    with pytest.raises(UserError, match="learned on networks of stem=cifar"):
        predictor.check_network(NetworkConfig(stem="stride2"))
    with pytest.raises(UserError, match="unknown operation for the latency predictor"):
        predictor.predict(dataclasses.replace(pairs[0], stem="stride8"))  # type: ignore[type-var]
