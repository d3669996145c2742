"""Cost before training: of the network that would be deployed, quick, the same at every call but for the clock."""

import dataclasses

import pytest
import torch
from torch import nn

from nastk.deploy.cost.cost import static_cost
from nastk.deploy.precision.fusion import int8_share
from nastk.deploy.precision.scheme import X86
from nastk.deploy.targets import CpuTarget
from nastk.errors import UserError
from nastk.networks import NetworkConfig, build_network, count_macs, count_parameters
from tests.deploy.int8 import beside_stems
from tests.deploy.networks import SPACES, genotype

CONFIG = NetworkConfig(cells=1, filters=8, size=16)


@pytest.mark.parametrize("precision", ["fp32", "int8"])
@pytest.mark.parametrize("space", SPACES)
def test_costs_are_those_of_the_network(space: str, precision: str) -> None:
    cost = CpuTarget(precision=precision).cost(genotype(space), CONFIG)
    network = build_network(genotype(space), CONFIG)
    assert set(cost) == {"latency_ms", "latency_steady", "params", "macs", "memory_mb", "size_mb"}
    assert cost["params"] == count_parameters(network, auxiliary=False)
    assert cost["macs"] == count_macs(network, CONFIG)
    assert 0.01 < cost["latency_ms"] < 1000
    assert 0.001 < cost["memory_mb"] < 10


def test_what_needs_no_clock_is_the_same_each_time_and_the_callers_random_numbers_are_untouched() -> None:
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    first = static_cost(genotype(), CONFIG, "int8")
    assert torch.equal(torch.rand(3), expected)
    assert static_cost(genotype(), CONFIG, "int8") == first
    assert first.size_mb == len(first.file) / 1e6


def test_auxiliary_head_and_drop_path_cost_nothing_since_they_are_not_deployed() -> None:
    trained = dataclasses.replace(CONFIG, auxiliary=True, drop_path=0.3)
    assert static_cost(genotype(), trained) == static_cost(genotype(), CONFIG)


def test_int8_is_measured_on_a_file_that_is_int8(tmp_path) -> None:
    static = static_cost(genotype(), CONFIG, "int8")
    (tmp_path / "model.onnx").write_bytes(static.file)
    share = beside_stems(int8_share(tmp_path / "model.onnx"), X86)
    assert share.in_int8 == share.convolutions > 20
    assert static.size_mb < static_cost(genotype(), CONFIG).size_mb


def test_larger_networks_cost_more() -> None:
    small, large = (
        CpuTarget().cost(genotype(), dataclasses.replace(CONFIG, filters=filters, size=32)) for filters in (8, 32)
    )
    assert all(large[name] > small[name] for name in small if name != "latency_steady")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"threads": -1}, "threads=-1"),
        ({"batch": 0}, "batch=0"),
        ({"precision": "int4"}, "unknown precision of target 'int4'; nearest is 'int8'"),
        ({"seconds": 0.0}, "seconds=0.0"),
    ],
)
def test_bad_fields_of_the_target(fields, message: str) -> None:
    with pytest.raises(UserError, match=message):
        CpuTarget(**fields)


def test_bad_precision() -> None:
    with pytest.raises(UserError, match="unknown precision 'fp8'"):
        static_cost(genotype(), CONFIG, "fp8")


def test_the_shipped_configuration_makes_the_target() -> None:
    from nastk.config.build import build, load_yaml, shipped

    assert build(load_yaml(shipped("conf") / "target" / "cpu.yaml"), "target") == CpuTarget()


def test_the_target_measures_files(tmp_path) -> None:
    from nastk.deploy.onnx.writer import write_onnx

    path = tmp_path / "model.onnx"
    write_onnx(nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten()), path, (1, 3, 8, 8))
    target = CpuTarget(batch=2)
    latency = target.measure([path], seconds=0)[0]
    assert (latency.batch, latency.threads) == (2, 1)
    assert target.name == "cpu" and tuple(target.files.values()) == ("model.onnx", "model.int8.onnx")
