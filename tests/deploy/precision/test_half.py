"""A network in float16 says what it says in float32, by two runtimes, and nothing leaves float16's range."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto
from onnx.reference import ReferenceEvaluator
from torch import nn

from nastk.deploy.onnx.writer import onnx_model, serialise
from nastk.deploy.precision.calibrate import tensor_ranges
from nastk.deploy.precision.half import half_model
from nastk.deploy.runtimes.session import open_session, predict
from tests.deploy.networks import SPACES, images, network, small

# Half a unit in the last of float16's 11 bits is 2^-11; networks of a few dozen layers stay within some multiples.
TOLERANCE = 8 * 2**-11


def both(network: nn.Module, size: int) -> tuple[onnx.ModelProto, onnx.ModelProto, np.ndarray]:
    model = onnx_model(network, (1, 3, size, size))
    pixels = images(16, 3, size, size).numpy()
    return model, half_model(model, tensor_ranges(model, pixels)), pixels


def logits(model: onnx.ModelProto, pixels: np.ndarray) -> np.ndarray:
    return predict(open_session(serialise(model)), pixels)


def element_types(model: onnx.ModelProto) -> dict[str, int]:
    inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True).graph
    values = (*inferred.input, *inferred.value_info, *inferred.output)
    types = {value.name: value.type.tensor_type.elem_type for value in values}
    return types | {tensor.name: tensor.data_type for tensor in model.graph.initializer}


@pytest.mark.parametrize("space", SPACES)
def test_random_cells_agree_with_float32(space: str) -> None:
    full, half, pixels = both(network(space), 16)
    expected = logits(full, pixels)
    allowed = TOLERANCE * np.abs(expected).max()
    assert np.abs(logits(half, pixels) - expected).max() < allowed
    # ONNX's own evaluator really rounds every operator's result to float16, ONNX Runtime on a CPU not always.
    (rounded,) = ReferenceEvaluator(half).run(None, {"image": pixels[:4]})
    assert 0 < np.abs(rounded - expected[:4]).max() < allowed


def test_the_graph_is_valid_and_its_ends_are_float32() -> None:
    _, half, _ = both(small(), 16)
    onnx.checker.check_model(half, full_check=True)
    types = element_types(half)
    assert types["image"] == types["logits"] == TensorProto.FLOAT
    for node in half.graph.node:
        wanted = TensorProto.FLOAT if node.op_type == "GlobalAveragePool" else TensorProto.FLOAT16
        if node.op_type not in ("Cast", "Flatten"):
            assert {types[name] for name in (*node.input, *node.output)} == {wanted}, node.op_type


def test_weights_take_half_the_room_and_a_tensor_is_cast_once() -> None:
    full, half, _ = both(network("darts"), 16)
    weights = [sum(len(tensor.raw_data) for tensor in model.graph.initializer) for model in (full, half)]
    assert weights[1] < 0.51 * weights[0]
    casts = [(node.input[0], node.attribute[0].i) for node in half.graph.node if node.op_type == "Cast"]
    assert len(casts) == len(set(casts))
    assert len({node.name for node in half.graph.node}) == len(half.graph.node)


class Steep(nn.Module):
    """Its middle takes values beyond float16's greatest, 65504."""

    def __init__(self, factor: float, weight: float) -> None:
        super().__init__()
        self.factor, self.weight = factor, weight
        self.conv = nn.Conv2d(3, 4, 1, bias=False)
        self.head = nn.Linear(4, 2)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        x = self.conv(image) * self.factor
        x = torch.relu(x) * self.weight
        return self.head((x * (1 / self.factor / self.weight)).mean((2, 3)))


@pytest.mark.parametrize("factor, weight", [(1e6, 1.0), (1e-3, 2e5), (4e4, 1.0)])
def test_what_float16_cannot_hold_stays_float32(factor: float, weight: float) -> None:
    torch.manual_seed(0)
    full, half, pixels = both(Steep(factor, weight).eval(), 8)
    types = element_types(half)
    kinds = {(node.op_type, types[node.output[0]]) for node in half.graph.node}
    assert ("Conv", TensorProto.FLOAT16) in kinds and ("Mul", TensorProto.FLOAT) in kinds
    expected = logits(full, pixels)
    (rounded,) = ReferenceEvaluator(half).run(None, {"image": pixels})
    assert np.isfinite(rounded).all()
    assert np.abs(rounded - expected).max() < TOLERANCE * np.abs(expected).max()


def test_whole_numbers_in_the_graph_stay_what_they_are() -> None:
    full = onnx.parser.parse_model(
        """<ir_version: 9, opset_import: ["": 20]>
        agraph (float[batch,3,2,2] image) => (float[batch,12] logits)
        <int64[1] rest = {-1}> {
            x = Relu(image)
            shape = Shape<start=0, end=1>(image)
            wanted = Concat<axis=0>(shape, rest)
            logits = Reshape(x, wanted)
        }"""
    )
    half = half_model(full, {"image": (-1.0, 1.0)})
    onnx.checker.check_model(half, full_check=True)
    pixels = images(5, 3, 2, 2).numpy()
    expected = pixels.clip(0).reshape(5, 12)
    assert np.abs(ReferenceEvaluator(half).run(None, {"image": pixels})[0] - expected).max() < 4 * 2**-11


def test_the_model_given_is_left_as_it_is_and_equal_models_give_equal_bytes() -> None:
    full, half, pixels = both(small(), 16)
    before = serialise(full)
    assert serialise(half_model(full, tensor_ranges(full, pixels))) == serialise(half)
    assert serialise(full) == before
