"""Forms of a network's modules that train faster on a CPU and compute the same, put in for the length of a training."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.functional import max_pool2d

from nastk.training.kernels.depthwise import QuickDepthwise, SingleDepthwise, is_slow

LEAST_KERNEL = 5
LEAST_SIZE = 8


class QuickMaxPool(nn.MaxPool2d):
    """Maximum pooling along rows, then along columns: 2 k comparisons a pixel for k * k.

    Of equal pixels the first in reading order gets the gradient, as in one pooling.
    """

    def forward(self, input: Tensor) -> Tensor:
        kernel, stride, padding = int(self.kernel_size), int(self.stride), int(self.padding)  # type: ignore[arg-type]
        if input.shape[-1] < LEAST_SIZE:
            return max_pool2d(input, kernel, stride, padding)
        rows = max_pool2d(input, (1, kernel), (1, stride), (0, padding))
        return max_pool2d(rows, (kernel, 1), (stride, 1), (padding, 0))


@contextmanager
def quick_forms(network: nn.Module, device: torch.device) -> Iterator[None]:
    """Puts quick forms into `network` for the block, where `device` is a CPU; all modules and parameters stay the same.

    Only the class of a module changes, and changes back: what is exported or copied afterwards knows nothing of it.
    """
    changed: list[tuple[nn.Module, type[nn.Module]]] = []
    try:
        for module in network.modules() if device.type == "cpu" else ():
            form = _form(module)
            if form is not None:
                changed.append((module, type(module)))
                module.__class__ = form
        yield
    finally:
        for module, kind in changed:
            module.__class__ = kind


def _form(module: nn.Module) -> type[nn.Module] | None:
    if is_slow(module):
        return QuickDepthwise
    if type(module) is nn.Conv2d and module.groups == module.in_channels > 1:
        return SingleDepthwise
    if type(module) is nn.MaxPool2d and isinstance(module.kernel_size, int) and module.kernel_size >= LEAST_KERNEL:
        square = isinstance(module.stride, int) and isinstance(module.padding, int) and module.dilation == 1
        if square and not module.ceil_mode and not module.return_indices:
            return QuickMaxPool
    return None
