"""How latency is shared among calls: fused kernels count as the first of what they are fused of."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from nastk.deploy.cost.call_times import _calls, call_times
from nastk.deploy.onnx.writer import calls_by_node, quick_model
from nastk.deploy.runtimes.profiler import Kernel


class Residual(nn.Module):
    """A convolution with ReLU, one more, a sum, a small linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(3, 64, 3, padding=1), nn.ReLU())
        self.second = nn.Conv2d(64, 64, 3, padding=1)
        self.end = nn.Linear(64, 2)

    def forward(self, image: Tensor) -> Tensor:
        first = self.first(image)
        found: Tensor = self.end((first + self.second(first)).mean((2, 3)))
        return found


def test_every_node_is_written_for_a_call() -> None:
    network = Residual().eval()
    model, calls = quick_model(network, (1, 3, 16, 16)), calls_by_node(network, (1, 3, 16, 16))
    assert [calls[node.name] for node in model.graph.node] == [
        *("first_0", "first_1", "second", "add", "mean", "mean", "end")
    ]


def test_a_kernel_counts_as_the_first_call_and_one_of_the_runtime_as_the_call_before() -> None:
    network = Residual().eval()
    model, calls = quick_model(network, (1, 3, 16, 16)), calls_by_node(network, (1, 3, 16, 16))
    kernels = [
        Kernel("ReorderInput", "ReorderInput", 1.0),
        Kernel("first_1_nchwc", "Conv", 1.0),
        Kernel("first_1", "Relu", 1.0),
        Kernel("second_nchwc", "Conv", 1.0),
        Kernel("ReorderOutput_token_7", "ReorderOutput", 1.0),
        Kernel("end/MatMulAddFusion", "Gemm", 1.0),
    ]
    expected = ["first_0", "first_0", "first_1", "second", "second", "end"]
    assert list(_calls(kernels, model, calls)) == expected


def test_most_of_the_time_is_of_the_call_that_has_most_to_do() -> None:
    torch.manual_seed(0)
    times = call_times(Residual().eval(), (3, 48, 48), seconds=0.1)
    assert times.timing.p50_ms > 0 and times.runs >= 5
    assert times.milliseconds["second"] > times.milliseconds["end"] > 0
    assert times.milliseconds["second"] > 0.5 * sum(times.milliseconds.values())
