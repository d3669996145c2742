"""Strided 1x1 convolutions of few channels: the same values and gradients, and never by the kernel that does damage."""

from __future__ import annotations

import copy
import os
import subprocess
import sys

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d

from nastk.ops.conv import convolution
from nastk.ops.strided import LANES, trained_on_pixels

TRAIN = """
import sys, torch
from torch import nn
from nastk.ops import build_op
from nastk.ops.strided import trained_on_pixels

torch.manual_seed(0)
mended = {
    "identity": lambda: build_op("identity", 4, 16, 2),
    "conv_1x1": lambda: build_op("conv_1x1", 12, 8, 2),
    "of a graph": lambda: trained_on_pixels(nn.Conv2d(8, 4, 1, 2, bias=False)),
    "as torch has it": lambda: nn.Conv2d(4, 16, 1, 2, bias=False),
}
network = mended[sys.argv[1]]().to(memory_format=torch.channels_last)
channels = next(part.in_channels for part in network.modules() if isinstance(part, nn.Conv2d))
size = int(sys.argv[2])
x = torch.randn(2, channels, size, size).to(memory_format=torch.channels_last)
network(x).square().sum().backward()
"""


def trained(form: str, size: int) -> subprocess.CompletedProcess[str]:
    """Trains one step in a process that looks for damage, and prints which of oneDNN's kernels ran."""
    watched = {"MALLOC_CHECK_": "3", "ONEDNN_VERBOSE": "1", "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, "-c", TRAIN, form, str(size)],
        env={**os.environ, **watched},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def weight_gradients(printed: str) -> list[str]:
    """Returns the forms of those gradients that oneDNN computed of weights of strided 1x1 convolutions."""
    lines = [line for line in printed.splitlines() if "convolution" in line and "backward_weights" in line]
    return [line for line in lines if "kh1sh2" in line]


@pytest.mark.parametrize("form", ["identity", "conv_1x1", "of a graph"])
def test_a_training_step_at_a_size_that_did_damage_does_none(form: str) -> None:
    ended = trained(form, 112)
    assert ended.returncode == 0, ended.stderr
    assert not weight_gradients(ended.stdout)


@pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="torch without oneDNN")
def test_the_kernel_that_does_damage_would_be_seen() -> None:
    assert weight_gradients(trained("as torch has it", 8).stdout)  # too few pixels to do any


def both(channels_in: int, channels_out: int) -> tuple[nn.Conv2d, nn.Conv2d]:
    torch.manual_seed(0)
    plain = nn.Conv2d(channels_in, channels_out, 1, 2, bias=False).double()
    return plain, trained_on_pixels(copy.deepcopy(plain))


@pytest.mark.parametrize("size", [8, 9, 1])
@pytest.mark.parametrize(("channels_in", "channels_out"), [(4, 6), (15, 4), (1, 2)])
def test_values_and_gradients_are_those_of_the_strided_convolution(
    channels_in: int, channels_out: int, size: int
) -> None:
    found: list[tuple[Tensor, ...]] = []
    for conv in both(channels_in, channels_out):
        torch.manual_seed(1)
        x = torch.randn(3, channels_in, size, size, dtype=torch.float64, requires_grad=True)
        y = conv(x)
        towards = torch.randn(y.shape, dtype=torch.float64)
        found.append((y, *torch.autograd.grad(y, [x, conv.weight], towards)))
    for expected, value in zip(*found, strict=True):
        torch.testing.assert_close(value, expected)


def test_it_stays_a_convolution_with_its_stride_and_names_and_can_be_copied() -> None:
    conv = copy.deepcopy(convolution(4, 6, 1, 2))
    assert type(conv) is nn.Conv2d
    assert conv.stride == (2, 2)
    assert list(conv.state_dict()) == ["weight"]
    x = torch.randn(2, 4, 8, 8)
    with torch.no_grad():
        assert torch.equal(conv(x), conv2d(x, conv.weight, None, 2))


@pytest.mark.parametrize(
    "conv",
    [
        nn.Conv2d(4, 4, 1),
        nn.Conv2d(4, 4, 3, 2),
        nn.Conv2d(LANES, 4, 1, 2),
        nn.Conv2d(4, 4, 1, 2, padding=1),
        nn.Conv2d(4, 4, 1, 2, groups=2),
    ],
)
def test_other_convolutions_are_left_alone(conv: nn.Conv2d) -> None:
    assert "_conv_forward" not in vars(trained_on_pixels(conv))
