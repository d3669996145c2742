"""What runs graphs on a GPU, run on the CPU: both ways must compute what the file says."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
import torch

from nastk.deploy.onnx.writer import onnx_model, serialise
from nastk.deploy.precision.calibrate import tensor_ranges
from nastk.deploy.precision.half import half_model
from nastk.deploy.runtimes.gpu import missing_gpu
from nastk.deploy.runtimes.gpu_session import OnnxRuntimeOnGpu, TorchOnGpu, missing_runtime, open_on_gpu
from nastk.deploy.runtimes.session import open_session, predict
from nastk.errors import UserError
from tests.deploy.networks import SPACES, images, network, small


def both(name: str) -> tuple[onnx.ModelProto, onnx.ModelProto]:
    model = onnx_model(small() if name == "small" else network(name), (1, 3, 16, 16))
    return model, half_model(model, tensor_ranges(model, images(8, 3, 16, 16).numpy()))


@pytest.mark.parametrize("name", ["small", *SPACES])
def test_torch_computes_what_onnx_runtime_does(name: str) -> None:
    pixels = images(16, 3, 16, 16, seed=1).numpy()
    for model, tolerance in zip(both(name), (1e-5, 8 * 2**-11), strict=True):
        expected = predict(open_session(serialise(model)), pixels)
        found = TorchOnGpu(model, graph=False, device="cpu").predict(pixels, batch=5)
        assert found.dtype == np.float32
        assert np.abs(found - expected).max() < tolerance * np.abs(expected).max()


def test_onnx_runtime_runs_and_times_from_buffer_to_buffer() -> None:
    model = serialise(both("small")[1])
    session = OnnxRuntimeOnGpu(model, "CPUExecutionProvider", {}, "cpu")
    pixels = images(3, 3, 16, 16).numpy()
    assert np.array_equal(session.predict(pixels), predict(open_session(model), pixels))
    times = session.timer(pixels).run(7)
    assert len(times) == 7 and min(times) > 0
    assert sum(session.timer(pixels).run(1, seconds=0.05)) >= 0.05


def test_an_operator_that_torch_has_not() -> None:
    model = both("small")[0]
    model.graph.node[3].op_type = "Det"
    with pytest.raises(UserError, match="is a Det, which has no function in torch"):
        TorchOnGpu(model, graph=False, device="cpu")


@pytest.mark.skipif(missing_gpu() is None, reason="a GPU is here")
def test_without_a_gpu_one_line_says_so() -> None:
    missing = missing_gpu()
    assert missing is not None and missing.startswith("no NVIDIA GPU") and torch.__version__ in missing
    assert missing_runtime() is not None
    with pytest.raises(UserError, match="^no NVIDIA GPU"):
        open_on_gpu(b"", graph=True)
