"""Where the pairs of each scheme stand, and whose scale they have."""

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper
from onnx.reference import ReferenceEvaluator
from torch import nn

from nastk.deploy.onnx.graph_index import GraphIndex, graph_index
from nastk.deploy.onnx.writer import quick_model, serialise
from nastk.deploy.precision.calibrate import tensor_ranges
from nastk.deploy.precision.quantize import quantized_model
from nastk.deploy.precision.scheme import ARM, TENSORRT, X86, Scheme
from nastk.deploy.precision.shared_scales import following
from nastk.deploy.precision.unsigned import as_uint8
from nastk.deploy.runtimes.session import open_session, predict
from nastk.errors import UserError
from tests.deploy.networks import SPACES, images, network, small

SCHEMES = {"x86": X86, "arm": ARM, "tensorrt": TENSORRT}
every_scheme = pytest.mark.parametrize("scheme", SCHEMES.values(), ids=SCHEMES)


def written(module: nn.Module, size: int, scheme: Scheme, keep_float: frozenset[str] = frozenset()):
    """Returns a module's float32 graph and its int8 form, calibrated."""
    model = quick_model(module, (1, 3, size, size))
    ranges = tensor_ranges(model, images(64, 3, size, size, seed=1).numpy())
    return model, quantized_model(model, ranges, scheme, keep_float)


def scale(graph: GraphIndex, name: str) -> float:
    """Returns the scale that a dequantized tensor has."""
    return float(graph.constants[graph.source(name).input[1]])


@pytest.mark.parametrize("scheme", [X86, ARM], ids=["x86", "arm"])
@pytest.mark.parametrize("space", SPACES)
def test_at_a_concatenation_only_what_others_read_too_is_converted(space: str, scheme: Scheme) -> None:
    model, quantized = written(network(space, 2), 16, scheme)
    plain, graph = graph_index(model), graph_index(quantized)
    found = 0
    for node in quantized.graph.node:
        if node.op_type != "Concat":
            continue
        result = graph.readers[node.output[0]][0]
        if result.op_type == "Relu":
            result = graph.readers[result.output[0]][0]
        assert result.op_type == "QuantizeLinear"
        whole = float(graph.constants[result.input[1]])
        for arm in node.input:
            tensor = graph.source(graph.source(arm).input[0]).input[0]
            if scale(graph, arm) == whole:
                found += 1
                continue
            source = plain.made[tensor]
            shared = len(plain.readers[tensor]) > 1
            assert shared or source.op_type in ("MaxPool", "Slice"), f"{tensor} is converted, though read but here"
    assert found or space == "nasbench201"


def test_scales_follow_relu_concatenation_and_selection() -> None:
    class Wired(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b, self.c = (nn.Conv2d(3, 4, 1) for _ in range(3))
            self.pool, self.head = nn.MaxPool2d(2), nn.Linear(8, 2)

        def forward(self, image: torch.Tensor) -> torch.Tensor:
            alone, shared = self.pool(self.a(image)), self.b(image)
            joined = torch.relu(torch.cat([alone, self.pool(shared)], 1))
            return self.head(joined.mean((2, 3)) + torch.cat([shared, self.c(image)], 1).mean((2, 3)))

    model = quick_model(Wired(), (1, 3, 8, 8))
    ends = following(model)
    # The first pool and what is before it lead to the ReLU; the second has the scale of what two read.
    assert ends["a"] == ends["pool"] == ends["cat"] == "relu"
    assert ends["pool_1"] == "b" and "b" not in ends
    assert ends["c"] == "cat_1"
    assert "image" not in ends


@every_scheme
@pytest.mark.parametrize("space", SPACES)
def test_every_scheme_stays_near_the_float_network(space: str, scheme: Scheme) -> None:
    model, quantized = written(network(space, 1), 16, scheme)
    x = images(64, 3, 16, 16, seed=2).numpy()
    expected = predict(open_session(serialise(model)), x)
    found = predict(open_session(serialise(quantized), signed=scheme.symmetric), x)
    assert np.sqrt(np.square(found - expected).mean()) / expected.std() < 0.05


def test_symmetric_activations_are_int8_around_zero() -> None:
    for name in ("arm", "tensorrt"):
        _, quantized = written(small(), 12, SCHEMES[name])
        graph = graph_index(quantized)
        zeros = [graph.constants[node.input[2]] for node in quantized.graph.node if node.op_type == "QuantizeLinear"]
        assert zeros and all(zero.dtype == np.int8 and zero == 0 for zero in zeros)


def test_tensorrt_gets_pairs_before_weights_and_on_both_arms_of_an_addition_alone() -> None:
    _, quantized = written(network("nasbench201", 1), 16, TENSORRT)
    graph = graph_index(quantized)
    served = {
        reader.op_type
        for node in quantized.graph.node
        if node.op_type == "DequantizeLinear"
        for reader in graph.readers[node.output[0]]
    }
    assert served == {"Conv", "Gemm", "Add"}
    for node in quantized.graph.node:
        if node.op_type == "Add":
            assert {graph.source(name).op_type for name in node.input} == {"DequantizeLinear"}
        if node.op_type in ("Conv", "Gemm"):
            assert [graph.source(name).op_type for name in node.input[:2]] == ["DequantizeLinear"] * 2
            assert all(graph.constants[name].dtype == np.float32 for name in node.input[2:])


@every_scheme
def test_what_is_kept_in_float_has_its_float_weights(scheme: Scheme) -> None:
    module = small()
    name = "depthwise"
    model, quantized = written(module, 12, scheme, frozenset({name}))
    graph = graph_index(quantized)
    kept = next(node for node in quantized.graph.node if node.name == name)
    np.testing.assert_array_equal(graph.constants[kept.input[1]], graph_index(model).constants[kept.input[1]])
    x = images(64, 3, 12, 12, seed=2).numpy()
    expected = predict(open_session(serialise(model)), x)
    everything = frozenset(node.name for node in model.graph.node if node.op_type in ("Conv", "Gemm"))
    _, whole = written(module, 12, scheme, everything)
    np.testing.assert_allclose(predict(open_session(serialise(whole)), x), expected, atol=1e-5)


@pytest.mark.parametrize("name", ["depthwize", "relu"])
def test_only_layers_can_be_kept_in_float(name: str) -> None:
    with pytest.raises(UserError, match=f"unknown node to keep in float '{name}'; nearest is"):
        written(small(), 12, X86, frozenset({name}))


def test_the_symmetric_graph_in_uint8_computes_the_same() -> None:
    _, quantized = written(network("nasnet", 1), 16, ARM)
    x = images(64, 3, 16, 16, seed=2).numpy()
    signed = predict(open_session(serialise(quantized), signed=True), x)
    moved = as_uint8(quantized)
    assert all(
        numpy_helper.to_array(tensor) == 128
        for tensor in moved.graph.initializer
        if tensor.data_type == onnx.TensorProto.UINT8
    )
    found = predict(open_session(serialise(moved), exact=True), x)
    assert np.abs(found - signed).max() < 0.02 * np.abs(signed).max()
    assert (found.argmax(1) == signed.argmax(1)).mean() > 0.95


@every_scheme
def test_the_reference_interpreter_reads_every_scheme_alike(scheme: Scheme) -> None:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(3, 3, 1), nn.Hardswish(), small()).eval()
    _, quantized = written(module, 12, scheme, frozenset({"_2_depthwise"}))
    x = images(16, 3, 12, 12, seed=2).numpy()
    found = predict(open_session(serialise(quantized), signed=scheme.symmetric), x)
    reference = ReferenceEvaluator(quantized).run(None, {"image": x})[0]
    assert np.sqrt(np.square(found - reference).mean()) / reference.std() < 0.02
