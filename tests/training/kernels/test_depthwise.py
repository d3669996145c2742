"""The quicker backward of depthwise convolutions: equal to torch's own, and taken for what torch is slow on."""

import pytest
import torch
from torch import nn

from nastk.ops.conv import depthwise
from nastk.training.kernels.depthwise import LEAST_NUMBERS, QuickDepthwise, is_slow

SLOW = [(5, 1, 1), (7, 1, 1), (3, 1, 2), (3, 2, 2), (5, 1, 2), (5, 2, 2)]


def pair(kernel: int, stride: int, dilation: int, channels: int) -> tuple[nn.Conv2d, nn.Conv2d]:
    """Returns two convolutions of the same weights, the second of the quick form."""
    plain, quick = (depthwise(channels, kernel, stride, dilation).double() for _ in range(2))
    quick.load_state_dict(plain.state_dict())
    quick.__class__ = QuickDepthwise
    return plain, quick


@pytest.mark.parametrize(("kernel", "stride", "dilation"), SLOW)
@pytest.mark.parametrize("size", [(8, 8), (9, 12), (7, 8), (1, 3)])
def test_result_and_gradients_are_those_of_the_plain_convolution(
    kernel: int, stride: int, dilation: int, size: tuple[int, int]
) -> None:
    torch.manual_seed(0)
    channels = LEAST_NUMBERS // (2 * size[0] * size[1]) + 1 if min(size) > 3 else 4
    plain, quick = pair(kernel, stride, dilation, channels)
    x = torch.randn(2, channels, *size, dtype=torch.float64).contiguous(memory_format=torch.channels_last)
    results = []
    for module in (plain, quick):
        image = x.clone().requires_grad_()
        result = module(image)
        towards = torch.randn(result.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
        results.append((result, *torch.autograd.grad(result, [image, module.weight], towards)))
    for expected, found in zip(*results, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)
    assert all(tensor.is_contiguous(memory_format=torch.channels_last) for tensor in results[1][:2])


@pytest.mark.parametrize(("kernel", "stride", "dilation"), [(3, 2, 2), (5, 1, 2)])
def test_the_gradients_are_those_of_finite_differences(kernel: int, stride: int, dilation: int) -> None:
    torch.manual_seed(0)
    _, quick = pair(kernel, stride, dilation, 2)
    x = torch.randn(2, 2, 5, 5, dtype=torch.float64, requires_grad=True)

    def run(image: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        return torch.func.functional_call(quick, {"weight": weight}, (image,))

    assert torch.autograd.gradcheck(run, (x, quick.weight))


def test_a_frozen_weight_and_a_first_layer_have_no_gradient() -> None:
    _, quick = pair(3, 1, 2, 2)
    image = torch.randn(1, 2, 6, 6, dtype=torch.float64)
    quick(image).sum().backward()
    assert quick.weight.grad is not None
    quick.requires_grad_(False)
    image.requires_grad_()
    quick(image).sum().backward()
    assert image.grad is not None


@pytest.mark.parametrize(("kernel", "stride", "dilation"), SLOW)
def test_the_slow_cases_are_known(kernel: int, stride: int, dilation: int) -> None:
    assert is_slow(depthwise(4, kernel, stride, dilation))


@pytest.mark.parametrize(
    "module",
    [
        depthwise(4, 3),
        depthwise(4, 5, stride=2),
        nn.Conv2d(4, 4, 5, padding=2),
        nn.Conv2d(4, 8, 5, padding=2, groups=4, bias=False),
        nn.Conv2d(4, 4, 5, padding=2, groups=4),
        nn.Conv2d(4, 4, 5, padding=1, groups=4, bias=False),
        nn.Conv2d(4, 4, (5, 3), padding=(2, 1), groups=4, bias=False),
        nn.Conv2d(4, 4, 5, padding=2, groups=4, bias=False, padding_mode="reflect"),
        nn.Conv2d(4, 4, 5, padding="same", groups=4, bias=False),
        nn.Conv2d(4, 4, 3, padding=3, dilation=3, groups=4, bias=False),
        nn.ReLU(),
    ],
)
def test_everything_else_is_left_to_torch(module: nn.Module) -> None:
    assert not is_slow(module)
