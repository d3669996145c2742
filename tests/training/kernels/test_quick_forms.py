"""Quick forms come and go with the block, compute the same, and leave what is stored and exported alone."""

import random

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from nastk.networks import NetworkConfig, build_network
from nastk.spaces import NasnetSpace, random_genotype
from nastk.training.kernels.depthwise import QuickDepthwise, SingleDepthwise
from nastk.training.kernels.quick_forms import QuickMaxPool, quick_forms

CPU = torch.device("cpu")
CONFIG = NetworkConfig(cells=1, filters=4, size=16)
EVERYTHING = nn.Sequential(
    nn.MaxPool2d(7, 1, 3), nn.Conv2d(4, 4, 5, padding=2, groups=4, bias=False), nn.MaxPool2d(3, 1, 1), nn.ReLU()
)


def kinds(network: nn.Module) -> list[type[nn.Module]]:
    return [type(module) for module in network]


def test_a_block_has_quick_forms_and_afterwards_all_is_as_before() -> None:
    before, names = kinds(EVERYTHING), list(EVERYTHING.state_dict())
    with quick_forms(EVERYTHING, CPU):
        assert kinds(EVERYTHING) == [QuickMaxPool, QuickDepthwise, nn.MaxPool2d, nn.ReLU]
        assert list(EVERYTHING.state_dict()) == names
    assert kinds(EVERYTHING) == before


def test_an_error_in_the_block_takes_them_out_too() -> None:
    before = kinds(EVERYTHING)
    with pytest.raises(KeyError), quick_forms(EVERYTHING, CPU):
        raise KeyError
    assert kinds(EVERYTHING) == before


def test_a_gpu_gets_none() -> None:
    with quick_forms(EVERYTHING, torch.device("cuda")):
        assert QuickMaxPool not in kinds(EVERYTHING)


@pytest.mark.parametrize("kernel", [5, 7])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("size", [4, 8, 9, 13])
def test_maximum_pooling_is_the_same_with_ties_too(kernel: int, stride: int, size: int) -> None:
    torch.manual_seed(0)
    pool = nn.MaxPool2d(kernel, stride, kernel // 2)
    x = torch.randint(0, 4, (2, 3, size, size)).double().requires_grad_()
    expected = pool(x)
    towards = torch.randn_like(expected)
    gradient = torch.autograd.grad(expected, x, towards)[0]
    with quick_forms(pool, CPU):
        found = pool(x)
        assert torch.equal(found, expected)
        torch.testing.assert_close(torch.autograd.grad(found, x, towards)[0], gradient)


@pytest.mark.parametrize(
    "pool", [nn.MaxPool2d((5, 5), 1, 2), nn.MaxPool2d(5, 1, 2, ceil_mode=True), nn.MaxPool2d(5, 1, 2, dilation=2)]
)
def test_other_poolings_are_left_alone(pool: nn.Module) -> None:
    with quick_forms(pool, CPU):
        assert type(pool) is nn.MaxPool2d


@pytest.mark.parametrize("seed", range(2))
def test_a_whole_network_has_the_same_gradients_and_statistics(seed: int) -> None:
    torch.manual_seed(0)
    network = build_network(random_genotype(NasnetSpace(), random.Random(seed)), CONFIG)
    network.double().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    start = {name: value.clone() for name, value in network.state_dict().items()}
    x, y = torch.randn(128, 3, 16, 16, dtype=torch.float64), torch.randint(0, 10, (128,))
    found = []
    for device in (torch.device("cuda"), CPU):  # for a GPU nothing is changed
        network.load_state_dict(start)
        network.zero_grad()
        with quick_forms(network, device):
            cross_entropy(network(x), y).backward()
        gradients = {
            name: weight.grad.clone() for name, weight in network.named_parameters() if weight.grad is not None
        }
        found.append((gradients, {name: value.clone() for name, value in network.named_buffers()}))
    for expected, values in zip(*found, strict=True):
        torch.testing.assert_close(values, expected, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize(
    ("kernel", "stride", "size", "form"),
    [(3, 2, 32, SingleDepthwise), (3, 1, 4, SingleDepthwise), (5, 1, 32, QuickDepthwise), (5, 2, 32, SingleDepthwise)],
)
def test_autocast_leaves_depthwise_convolutions_in_float32_that_are_slow_in_bfloat16(
    kernel: int, stride: int, size: int, form: type[nn.Module]
) -> None:
    torch.manual_seed(0)
    convolution = nn.Conv2d(16, 16, kernel, stride, kernel // 2, groups=16, bias=False)
    x = torch.randn(8, 16, size, size).contiguous(memory_format=torch.channels_last)
    with quick_forms(convolution, CPU):
        assert type(convolution) is form
        expected = convolution(x)
        of_weight = torch.autograd.grad(expected.sum(), convolution.weight)[0]
        with torch.autocast("cpu", torch.bfloat16):
            found = convolution(x)
            assert convolution(x.bfloat16()).dtype == torch.float32
        assert torch.equal(found, expected)
        assert torch.equal(torch.autograd.grad(found.sum(), convolution.weight)[0], of_weight)


def test_autocast_takes_3x3_depthwise_convolutions_of_stride_1_to_bfloat16_as_all_others() -> None:
    convolution = nn.Conv2d(16, 16, 3, padding=1, groups=16, bias=False)
    x = torch.randn(8, 16, 8, 8).contiguous(memory_format=torch.channels_last)
    with quick_forms(convolution, CPU), torch.autocast("cpu", torch.bfloat16):
        assert convolution(x).dtype == torch.bfloat16
