"""Peak activation memory, against counts by hand."""

import pytest
import torch
from torch import nn

from nastk.deploy.onnx.memory import peak_activation_bytes
from nastk.deploy.onnx.writer import quick_model
from tests.deploy.networks import network

MAP = 4 * 8 * 8  # bytes of one channel of 8x8 in float32


def peak(module: nn.Module) -> int:
    return peak_activation_bytes(quick_model(module.eval(), (1, 3, 8, 8)))


class Head(nn.Sequential):
    def __init__(self, *before: nn.Module, channels: int) -> None:
        super().__init__(*before, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 2))


def test_a_chain_needs_an_operators_input_and_result() -> None:
    assert peak(Head(nn.Conv2d(3, 10, 1), nn.Conv2d(10, 4, 1), channels=4)) == (10 + 4) * MAP
    assert peak(Head(nn.Conv2d(3, 4, 1), nn.Conv2d(4, 10, 1), nn.Conv2d(10, 12, 1), channels=12)) == (10 + 12) * MAP


def test_a_tensor_lives_to_its_last_reader() -> None:
    class Residual(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b, self.c = nn.Conv2d(3, 6, 1), nn.Conv2d(6, 20, 1), nn.Conv2d(20, 6, 1)
            self.head = Head(channels=6)

        def forward(self, image: torch.Tensor) -> torch.Tensor:
            x = self.a(image)
            return self.head(x + self.c(self.b(x)))

    assert peak(Residual()) == (6 + 20 + 6) * MAP


def test_weights_do_not_count_and_strides_do() -> None:
    assert peak(Head(nn.Conv2d(3, 64, 7, stride=8, padding=3), channels=64)) == 3 * MAP + 4 * 64


@pytest.mark.parametrize("space", ["nasnet", "nasbench201"])
def test_twice_the_filters_need_about_twice_the_memory(space: str) -> None:
    peaks = [peak_activation_bytes(quick_model(network(space, filters=filters), (1, 3, 16, 16))) for filters in (8, 16)]
    assert 1.8 < peaks[1] / peaks[0] <= 2.0
