"""What ONNX Runtime fuses is counted in the graph that it runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import nn

from nastk.deploy.onnx.writer import write_onnx
from nastk.deploy.precision.fused import fused_operators
from nastk.deploy.precision.quantize import quantize_int8
from nastk.deploy.targets import ArmTarget, CpuTarget
from tests.deploy.networks import enliven, images


class Residual(nn.Module):
    """Two convolutions, one with a ReLU, whose sum with the image is multiplied and classified."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 3, 3, padding=1)
        self.head = nn.Linear(3, 4)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        inner = self.second(torch.relu(self.first(image)))
        return self.head((inner * (inner + image)).mean((2, 3)))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("fused")
    torch.manual_seed(0)
    write_onnx(enliven(Residual()), path / "model.onnx", (1, 3, 12, 12))
    quantize_int8(path / "model.onnx", path / "model.int8.onnx", images(16, 3, 12, 12, seed=1).numpy())
    return path


def test_a_relu_after_a_convolution_is_fused_and_a_product_is_not(folder: Path) -> None:
    found = fused_operators(folder / "model.onnx")
    assert found.written["Conv"] == found.run["Conv"] == 2
    assert found.fused["Relu"] == 1 and "Relu" not in found.run
    assert found.not_fused["Mul"] == 1 and found.conversions == 0


def test_in_int8_sums_run_by_themselves_and_the_image_is_converted(folder: Path) -> None:
    found = fused_operators(folder / "model.int8.onnx")
    assert found.fused == {"Relu": 1}
    assert found.not_fused == {"Add": 1, "Mul": 1} and found.conversions >= 1
    assert "QuantizeLinear" not in found.written


def test_the_counts_add_up_and_go_into_the_manifest(folder: Path) -> None:
    told = CpuTarget().facts(folder)["fusion"]
    assert set(told) == {"model.onnx", "model.int8.onnx"}
    for counts in json.loads(json.dumps(told)).values():
        for name, written in counts["written"].items():
            assert counts["run"].get(name, 0) + counts["fused"].get(name, 0) == written


def test_of_arm_what_x86_makes_of_the_float_file_is_not_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    (folder / "model.arm.int8.onnx").write_bytes((folder / "model.int8.onnx").read_bytes())
    assert set(ArmTarget().facts(folder)["fusion"]) == {"model.arm.int8.onnx"}
