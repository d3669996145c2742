"""Fake quantization: the values of ONNX's operators, the gradients of torch's own learnable op."""

import numpy as np
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from nastk.deploy.precision.weight_steps import weight_steps
from nastk.deploy.runtimes.session import open_session
from nastk.deploy.tuning.fake_quantize import FASTER, FakeQuantize, rounded


def onnx_pair(x: np.ndarray, scale: np.ndarray, zero: np.ndarray) -> np.ndarray:
    """Returns what ONNX Runtime's QuantizeLinear and DequantizeLinear make of `x`."""
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "scale", "zero"], ["q"], axis=0),
        helper.make_node("DequantizeLinear", ["q", "scale", "zero"], ["y"], axis=0),
    ]
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, x.shape) for name in "xy"]
    constants = [numpy_helper.from_array(scale, "scale"), numpy_helper.from_array(zero, "zero")]
    graph = helper.make_graph(nodes, "pair", values[:1], values[1:], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    return open_session(model.SerializeToString()).run(["y"], {"x": x})[0]


def values(step: float) -> np.ndarray:
    """Every tie between two integers, their neighbours in float32, and much that lies beyond."""
    ties = (np.arange(-300, 300) + 0.5).astype(np.float32) * np.float32(step)
    near = [np.nextafter(ties, np.float32(side)) for side in (-np.inf, np.inf)]
    random = np.random.default_rng(0).normal(0, 100 * step, 5000).astype(np.float32)
    return np.concatenate([ties, *near, random, np.float32([0, 1e30, -1e30])])


@pytest.mark.parametrize("step", [0.0472, 1.0, 3e-5, 700.0])
@pytest.mark.parametrize("zero", [np.uint8(0), np.uint8(113), np.uint8(255), np.int8(0)])
def test_activations_are_those_of_onnx_runtime_bit_for_bit(step: float, zero: np.generic) -> None:
    bounds = np.iinfo(zero.dtype)
    quantize = FakeQuantize(step, int(zero), int(bounds.min), int(bounds.max))
    x = values(step)
    found = quantize(torch.from_numpy(x)).detach().numpy()
    np.testing.assert_array_equal(found, onnx_pair(x, np.float32(step), np.asarray(zero)))


def test_weights_are_those_of_onnx_runtime_bit_for_bit() -> None:
    weight = torch.randn((6, 4, 3, 3), generator=torch.Generator().manual_seed(0)) * 0.1
    weight[2] *= 1000
    steps = weight_steps(weight)
    expected = onnx_pair(weight.numpy(), steps.flatten().numpy(), np.zeros(6, np.int8))
    np.testing.assert_allclose(rounded(weight, steps).numpy(), expected, rtol=0, atol=1e-7 * float(weight.abs().max()))
    assert int((torch.from_numpy(expected) / steps).abs().max().round()) == 127


def test_a_channel_of_zeros_stays_zero() -> None:
    weight = torch.zeros((2, 1, 3, 3))
    assert torch.equal(rounded(weight, weight_steps(weight)), weight)


def test_gradients_are_those_of_torchs_learnable_op() -> None:
    x = torch.randn(1000, generator=torch.Generator().manual_seed(0)).requires_grad_()
    other = x.detach().clone().requires_grad_()
    upstream = torch.randn(1000, generator=torch.Generator().manual_seed(1))
    quantize = FakeQuantize(0.013, 100, 0, 255)  # both ends of the range lie within the values
    quantize(x).backward(upstream)
    step, zero = torch.tensor([0.013], requires_grad=True), torch.tensor([100.0])
    torch._fake_quantize_learnable_per_tensor_affine(other, step, zero, 0, 255, 1.0).backward(upstream)
    assert 100 < int((x.grad == 0).sum()) < 900
    torch.testing.assert_close(x.grad, other.grad)
    # Ours is by the logarithm, and trained FASTER.
    torch.testing.assert_close(quantize.growth.grad, step.grad[0] * 0.013 * FASTER, rtol=1e-3, atol=1e-4)


def test_rounding_passes_a_weights_gradient_on() -> None:
    weight = torch.randn(3, 2, requires_grad=True)
    rounded(weight, weight_steps(weight)).backward(torch.full((3, 2), 7.0))
    assert torch.equal(weight.grad, torch.full((3, 2), 7.0))
