"""Stems in float32: where int8 would be slower, for x86 alone, each of several; what they give is in int8."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
import torch
from onnx.reference import ReferenceEvaluator
from torch import nn

from nastk.deploy.onnx.writer import quick_model, serialise
from nastk.deploy.precision.calibrate import tensor_ranges
from nastk.deploy.precision.kept_float import float_stems
from nastk.deploy.precision.lint import lint
from nastk.deploy.precision.optimised import optimised
from nastk.deploy.precision.quantize import assumed_ranges, quantized_model
from nastk.deploy.precision.scheme import ARM, LITERT, OPENVINO, TENSORRT, UINT8, X86, Scheme
from nastk.deploy.targets import CpuTarget
from nastk.deploy.tuning.trainable import TrainableInt8
from tests.deploy.networks import images

SIZE = 16
ALONE = (UINT8, ARM, LITERT, OPENVINO, TENSORRT)


def stemmed(kernel: int, channels: int = 3, width: int = 8) -> onnx.ModelProto:
    """Returns the float32 graph of a network whose first convolution is such."""
    torch.manual_seed(0)
    stem = nn.Conv2d(channels, width, kernel, 2, kernel // 2)
    layers = stem, nn.ReLU(), nn.Conv2d(width, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4)
    return quick_model(nn.Sequential(*layers).eval(), (1, channels, SIZE, SIZE))


def outputs(model: onnx.ModelProto, x: torch.Tensor) -> np.ndarray:
    return ReferenceEvaluator(model).run(None, {"image": x.numpy()})[0]


def error(exact: onnx.ModelProto, int8: onnx.ModelProto, x: torch.Tensor) -> float:
    """Returns the mean square error of the logits in units of how much they differ between images."""
    expected = outputs(exact, x)
    return float(np.square(outputs(int8, x) - expected).mean() / expected.var(0).mean())


class Branches(nn.Module):
    """An image that three convolutions and a pooling read, as an inception block or a cell does at its beginning."""

    def __init__(self) -> None:
        super().__init__()
        self.point, self.three, self.seven = (nn.Conv2d(3, 4, side, padding=side // 2) for side in (1, 3, 7))
        self.pool = nn.MaxPool2d(3, 1, 1)
        self.body, self.head = nn.Conv2d(15, 8, 3), nn.Linear(8, 4)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        branches = [part(image) for part in (self.point, self.three, self.seven, self.pool)]
        return self.head(torch.relu(self.body(torch.relu(torch.cat(branches, 1)))).mean((2, 3)))


@pytest.mark.parametrize(
    ("kernel", "channels", "width", "floating"),
    [
        *((1, 3, 8, True), (3, 3, 42, True), (6, 3, 32, True), (7, 1, 128, True)),
        *((3, 3, 43, False), (7, 3, 8, False), (1, 1, 129, False)),
    ],
)
def test_a_stem_of_few_weights_is_in_float_on_x86_and_its_relu_is_none(
    kernel: int, channels: int, width: int, floating: bool
) -> None:
    model = stemmed(kernel, channels, width)
    assert float_stems(model, X86) == ({model.graph.node[0].name} if floating else set())
    run = [node.op_type for node in optimised(serialise(quantized_model(model, assumed_ranges(model)))).graph.node]
    assert ("Conv" in run, run.count("QLinearConv")) == ((True, 1) if floating else (False, 2))
    assert "Relu" not in run and run.count("QuantizeLinear") == 1


@pytest.mark.parametrize("scheme", ALONE, ids=lambda scheme: scheme.name)
def test_no_other_target_has_it(scheme: Scheme) -> None:
    model = stemmed(3)
    assert float_stems(model, scheme) == set()
    int8 = quantized_model(model, assumed_ranges(model), scheme)
    assert not int8.metadata_props
    (stem,) = (node for node in int8.graph.node if node.name == model.graph.node[0].name)
    makers = {node.output[0]: node.op_type for node in int8.graph.node}
    assert [makers[name] for name in stem.input[:2]] == ["DequantizeLinear"] * 2


@pytest.mark.parametrize("activation", [nn.ReLU(), nn.ReLU6(), nn.Hardswish(), nn.SiLU(), nn.GELU(), nn.Identity()])
def test_any_activation_behind_a_float_stem_is_what_it_was(activation: nn.Module) -> None:
    """The stem's own error is gone, and no other is added."""
    torch.manual_seed(0)
    layers = nn.Conv2d(3, 8, 3), activation, nn.Conv2d(8, 8, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4)
    network = nn.Sequential(*layers).eval()
    model, x = quick_model(network, (1, 3, SIZE, SIZE)), 2 * images(16, 3, SIZE, SIZE)
    ranges = tensor_ranges(model, x.numpy())
    float_stem, int8_stem = (error(model, quantized_model(model, ranges, scheme), x) for scheme in (X86, UINT8))
    assert float_stem < min(0.01, 1.1 * int8_stem)


def test_each_convolution_of_the_image_is_judged_by_itself() -> None:
    torch.manual_seed(0)
    model = quick_model(Branches().eval(), (1, 3, SIZE, SIZE))
    assert float_stems(model, X86) == {"point", "three"}
    x = images(32, 3, SIZE, SIZE)
    ranges = tensor_ranges(model, x.numpy())
    int8 = quantized_model(model, ranges)
    lint(int8, CpuTarget())
    read = {node.name: node.input[0] for node in int8.graph.node}
    assert (read["point"], read["three"]) == ("image", "image")
    assert (read["seven"], read["pool"]) == ("image.dequantized", "image.dequantized")
    run = [node.op_type for node in optimised(serialise(int8)).graph.node]
    assert (run.count("Conv"), run.count("QLinearConv")) == (2, 2)
    assert error(model, int8, x) < min(0.02, 1.1 * error(model, quantized_model(model, ranges, UINT8), x))
    trained = TrainableInt8(model, ranges)(x).detach().numpy()
    np.testing.assert_allclose(trained, outputs(int8, x), atol=1e-5)


def test_a_convolution_further_in_is_no_stem() -> None:
    pooled = nn.Sequential(nn.AvgPool2d(2), nn.Conv2d(3, 8, 3), nn.Flatten(), nn.Linear(288, 4)).eval()
    assert float_stems(quick_model(pooled, (1, 3, SIZE, SIZE)), X86) == set()
