"""LiteRT files written directly: what they compute, what nastk's calibration decides, and what has no form there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from nastk.deploy.emittable import Emittable, emittable
from nastk.deploy.onnx.emitting import UnsupportedError
from nastk.deploy.precision.calibrate import Method, tensor_ranges
from nastk.deploy.targets import LitertTarget, MicrocontrollerTarget
from nastk.deploy.tflite.graph import Graph, serialise
from nastk.deploy.tflite.reading import read_graph
from nastk.deploy.tflite.write import tflite_graph
from nastk.errors import UserError
from nastk.networks import NetworkConfig
from nastk.ops.norm import ChannelNorm
from nastk.ops.shuffle import ChannelShuffle
from tests.deploy.networks import enliven, images, network

CONFIG = NetworkConfig(classes=4, size=12)


class Various(nn.Module):
    """What the operations of the spaces do not have, at a stride of 2 on a map of even size, where padding differs."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU6())
        self.grouped = nn.Sequential(nn.Conv2d(8, 8, 3, padding=1, groups=2), nn.Hardswish(), ChannelShuffle(8, 2))
        self.gate = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(8, 8, 1), nn.Hardsigmoid())
        self.counted = nn.AvgPool2d(3, 2, 1, count_include_pad=True)
        self.uncounted = nn.AvgPool2d(3, 2, 1, count_include_pad=False)
        self.greatest = nn.MaxPool2d(3, 2, 1)
        self.ceiled = nn.MaxPool2d(2, 2, ceil_mode=True)
        self.head = nn.Linear(5 * 8 * 9, 4)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        x = self.stem(image)
        y = self.grouped(x)
        y = torch.cat([y[:, :4], y[:, 4:] * 0.5], 1) * self.gate(x) - 0.25
        pools = self.counted(y), self.uncounted(y), self.greatest(y), self.ceiled(y), self.greatest(torch.sigmoid(y))
        return self.head(torch.cat(pools, 1).flatten(1))


@pytest.fixture(scope="module")
def source() -> Emittable:
    torch.manual_seed(0)
    return emittable(enliven(Various()), CONFIG, "abc", images(48, 3, 12, 12).numpy())


def answers(graph: Graph, folder: Path, given: np.ndarray) -> np.ndarray:
    path = folder / "model.tflite"
    path.write_bytes(serialise(graph, "nastk"))
    return LitertTarget().runner(path)(given)


def expected(source: Emittable, given: np.ndarray) -> np.ndarray:
    with torch.no_grad():
        return source.network(torch.from_numpy(given)).numpy()


@pytest.mark.parametrize("ends", [False, True])
def test_both_precisions_compute_what_torch_does(source: Emittable, tmp_path: Path, ends: bool) -> None:
    given = images(32, 3, 12, 12, seed=1).numpy()
    wanted = expected(source, given)
    np.testing.assert_allclose(answers(tflite_graph(source.model), tmp_path, given), wanted, atol=1e-5)
    found = answers(tflite_graph(source.model, source.ranges, byte_ends=ends), tmp_path, given)
    assert 0 < np.abs(found - wanted).max() < 0.1 * np.ptp(wanted)


def test_the_image_reaches_a_layer_kept_in_float32_as_it_is(source: Emittable, tmp_path: Path) -> None:
    given = images(32, 3, 12, 12, seed=1).numpy()
    layers = [node.name for node in source.model.graph.node if node.op_type in ("Conv", "Gemm")]
    first = tflite_graph(source.model, source.ranges, layers[:1])
    assert [one.kind for one in first.operators[:3]] == ["TRANSPOSE", "PAD", "CONV_2D"]
    assert {one.output.dtype for one in first.operators[:3]} == {"float32"} and first.operators[3].kind == "QUANTIZE"
    whole = answers(tflite_graph(source.model, source.ranges, layers), tmp_path, given)
    np.testing.assert_allclose(whole, expected(source, given), atol=1e-5)
    as_bytes = tflite_graph(source.model, source.ranges, layers[:1], byte_ends=True)
    assert as_bytes.input.dtype == "int8" and as_bytes.operators[0].kind == "DEQUANTIZE"


def test_the_bytes_stand_for_the_ranges_of_nastks_own_calibration(source: Emittable) -> None:
    """LiteRT's quantizer takes the bounds alone; percentiles and entropy reach its files by this way only."""
    cut = tensor_ranges(source.model, source.calibration, Method("percentile", 90.0))
    for ranges in (source.ranges, cut):
        graph = tflite_graph(source.model, ranges, byte_ends=True)
        low, high = ranges["image"]
        scale, zero = graph.input.quantization.scale[0], graph.input.quantization.zero
        assert scale == pytest.approx((high - low) / 255) and zero == round(-low / scale) - 128
    assert cut["image"][1] < source.ranges["image"][1]


def test_a_layer_kept_in_float_computes_in_float_between_bytes(source: Emittable, tmp_path: Path) -> None:
    kept = next(
        node.name for node in source.model.graph.node if node.op_type == "Conv" and node.name.startswith("grouped")
    )
    graph = tflite_graph(source.model, source.ranges, [kept])
    types = {op.output.dtype for op in graph.operators if op.kind == "CONV_2D"}
    assert types == {"int8", "float32"}
    given = images(16, 3, 12, 12, seed=1).numpy()
    wanted = expected(source, given)
    assert np.abs(answers(graph, tmp_path, given) - wanted).max() < 0.1 * np.ptp(wanted)


def test_equal_graphs_give_equal_bytes_and_are_read_back(source: Emittable) -> None:
    one, two = (tflite_graph(source.model, source.ranges, byte_ends=True) for _ in range(2))
    data = serialise(one, "nastk")
    assert data == serialise(two, "nastk")
    read = read_graph(data)
    assert [(op.kind, op.output.shape, op.output.dtype) for op in read.operators] == [
        (op.kind, op.output.shape, op.output.dtype) for op in one.operators
    ]
    assert read.input.quantization.same(one.input.quantization)


def test_an_operator_without_a_form_is_named_and_litert_s_own_converter_suggested(tmp_path: Path, monkeypatch) -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3), ChannelNorm(4), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 4))
    source = emittable(net.eval(), CONFIG, "abcdef123", images(4, 3, 12, 12).numpy())
    with pytest.raises(UnsupportedError, match=r"operator Transpose"):
        tflite_graph(source.model)
    monkeypatch.setattr(LitertTarget, "general", ("absent_converter",))
    with pytest.raises(
        UserError, match=r"target litert: .*fp32 file of abcdef12 \(.*Transpose\); LiteRT's own converter"
    ):
        LitertTarget().emit(source, tmp_path)
    with pytest.raises(UserError, match=r"target microcontroller: cannot write .*operator Transpose\)$"):
        MicrocontrollerTarget().emit(source, tmp_path)


@pytest.mark.parametrize("space", ["nasnet", "darts"])
def test_microcontrollers_compute_what_litert_does(space: str) -> None:
    steps_apart(emittable(network(space, filters=4), NetworkConfig(size=16), "abc", images(16, 3, 16, 16).numpy()))


def steps_apart(source: Emittable) -> None:
    """The reference kernels of the one against XNNPACK's of the other: a step or two apart."""
    runtime = pytest.importorskip("tflite_micro.python.tflite_micro.runtime")
    from ai_edge_litert.interpreter import Interpreter

    graph = tflite_graph(source.model, source.ranges, byte_ends=True)
    data = serialise(graph, "nastk")
    micro, lite = runtime.Interpreter.from_bytes(data, arena_size=1 << 21), Interpreter(model_content=data)
    lite.allocate_tensors()
    given = np.random.default_rng(0).integers(-128, 128, graph.input.shape, np.int8)
    micro.set_input(given, 0)
    micro.invoke()
    lite.set_tensor(lite.get_input_details()[0]["index"], given)
    lite.invoke()
    found = lite.get_tensor(lite.get_output_details()[0]["index"]).astype(int)
    assert np.abs(micro.get_output(0).astype(int) - found).max() <= 4
    assert np.ptp(found) > 20


def test_the_model_is_left_as_it_is(source: Emittable) -> None:
    before = onnx.ModelProto.FromString(source.model.SerializeToString())
    tflite_graph(source.model, source.ranges)
    assert before == source.model


class Pooled(nn.Module):
    """A clip from 0 to 6 of its own, after a pooling, whose ranges are wider; then what is to be tried."""

    def __init__(self, last: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.stem, self.head, self.last = nn.Conv2d(3, 8, 3, padding=1), nn.Linear(8, 4), last

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        x = torch.clamp(F.max_pool2d(8 * self.stem(image), 2), 0, 6)
        return self.head(self.last(x).mean((2, 3)))


def pooled(last: Callable[[torch.Tensor], torch.Tensor]) -> Emittable:
    torch.manual_seed(0)
    return emittable(Pooled(last).eval(), CONFIG, "abc", images(48, 3, 12, 12).numpy())


def test_a_clip_of_its_own_is_the_same_on_a_microcontroller() -> None:
    """Its interpreter only clips, in the steps of what it reads, where LiteRT's goes over to other steps as well."""
    steps_apart(pooled(nn.Identity()))


def twelve(x: torch.Tensor) -> torch.Tensor:
    return torch.cat([x[:, :1] * (one + 1) for one in range(12)], 1)[:, :8]


@pytest.mark.parametrize(
    ("last", "told"), [(F.gelu, "its interpreter has no GELU"), (twelve, "joins 12 maps, its interpreter at most 10")]
)
def test_what_a_microcontrollers_interpreter_lacks_is_refused(
    last: Callable[[torch.Tensor], torch.Tensor], told: str, tmp_path: Path
) -> None:
    LitertTarget().emit(pooled(last), tmp_path)
    with pytest.raises(UserError, match=told):
        MicrocontrollerTarget().emit(pooled(last), tmp_path)
