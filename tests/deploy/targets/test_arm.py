"""The ARM target: symmetric files, scored anywhere, timed on ARM alone."""

import platform
import re
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from nastk.config.build import build, load_yaml, shipped
from nastk.deploy.emittable import emittable
from nastk.deploy.export.assess import torch_logits
from nastk.deploy.runtimes import machine
from nastk.deploy.targets import ArmTarget, CpuTarget
from nastk.errors import UserError
from nastk.networks import NetworkConfig
from tests.deploy.networks import genotype, images, network

CONFIG = NetworkConfig(cells=1, filters=8, size=16)
HERE = platform.machine() in ("aarch64", "arm64")


@pytest.fixture(scope="module")
def emitted(tmp_path_factory) -> tuple[torch.nn.Module, Path]:
    folder = tmp_path_factory.mktemp("arm")
    module = network("nasnet", 1)
    ArmTarget().emit(emittable(module, CONFIG, "key", images(64, 3, 16, 16, seed=1).numpy()), folder)
    return module, folder


def test_files_are_those_of_the_cpu_with_an_int8_of_its_own(emitted) -> None:
    _, folder = emitted
    assert sorted(path.name for path in folder.iterdir()) == ["model.arm.int8.onnx", "model.onnx"]
    assert list(ArmTarget().files) == ["fp32", "int8"]
    assert ArmTarget().files["fp32"] == CpuTarget().files["fp32"]


def test_its_int8_is_symmetric_and_int8_throughout_on_arm(emitted) -> None:
    _, folder = emitted
    model = onnx.load(folder / "model.arm.int8.onnx")
    constants = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    zeros = [constants[node.input[2]] for node in model.graph.node if node.op_type == "QuantizeLinear"]
    assert zeros and all(zero.dtype == np.int8 and not zero.any() for zero in zeros)
    fusion = ArmTarget().facts(folder)["int8"]
    assert fusion["in_int8"] == fusion["convolutions"] > 0
    assert fusion["float_nodes"] == []
    assert fusion["conversions"] == 1  # of the image


def test_its_files_run_on_any_machine(emitted) -> None:
    module, folder = emitted
    target = ArmTarget()
    assert target.cannot_run() is None
    x = images(64, 3, 16, 16, seed=2).numpy()
    expected = torch_logits(module, x)
    for precision, tolerance in (("fp32", 1e-4), ("int8", 0.05)):
        found = target.runner(folder / target.files[precision])(x)
        assert np.sqrt(np.square(found - expected).mean()) / expected.std() < tolerance


@pytest.mark.skipif(HERE, reason="this is an ARM machine")
def test_elsewhere_it_is_not_timed_and_says_what_to_do() -> None:
    target = ArmTarget(precision="int8")
    here = platform.machine()
    assert target.cannot_time() == (
        f"target arm: this machine is {here}, no ARM; its latency would say nothing of the target"
    )
    with pytest.raises(UserError, match=f"this machine is {here}, no ARM.*target=remote.*latency=table"):
        target.cost(genotype("nasnet", 1), CONFIG)


@pytest.mark.skipif(HERE, reason="this is an ARM machine")
def test_where_arm_is_imitated_nothing_is_timed(emitted, monkeypatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    why = r"this machine is emulated \(uname says aarch64, .*\); its times are those of no processor"
    for target in (ArmTarget(), CpuTarget()):
        assert re.search(f"target {target.name}: {why}", target.cannot_time() or "")
        with pytest.raises(UserError, match=why):
            target.cost(genotype("nasnet", 1), CONFIG)
        with pytest.raises(UserError, match=why):
            target.measure([emitted[1] / "model.onnx"])


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_on_arm_it_is_timed_there(precision: str, monkeypatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    monkeypatch.setattr(machine, "emulated", lambda: None)
    target = ArmTarget(precision=precision, seconds=0.05)
    assert target.cannot_time() is None
    cost = target.cost(genotype("nasnet", 1), CONFIG)
    assert cost["latency_ms"] > 0
    other = CpuTarget(precision=precision, seconds=0.05).cost(genotype("nasnet", 1), CONFIG)
    assert (cost["params"], cost["macs"]) == (other["params"], other["macs"])
    assert (cost["size_mb"] == other["size_mb"]) == (precision == "fp32")


def test_its_settings_are_shipped_and_checked() -> None:
    assert build(load_yaml(shipped("conf") / "target" / "arm.yaml"), "target") == ArmTarget()
    with pytest.raises(UserError, match="unknown precision of target 'fp16'"):
        ArmTarget(precision="fp16")
