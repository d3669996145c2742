"""Re-parameterised convolutions: several branches in training, one convolution in the exported file."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nastk.blocks.attention import squeezed
from nastk.blocks.layers import activation, conv
from nastk.blocks.register import block
from nastk.ops.merging import Mergeable


class Reparameterised(Mergeable):
    """The sum of k x k convolutions, a 1x1 one and the identity, each normalised; in eval mode one convolution.

    Ding et al., "RepVGG: Making VGG-style ConvNets Great Again", CVPR 2021, with several k x k branches after Vasu et
    al., "MobileOne: An Improved One millisecond Mobile Backbone", CVPR 2023. There is no 1x1 branch beside 1x1 kernels,
    and the identity only where the shape stays.

    Shapes: (N, channels_in, H, W) to (N, channels_out, ceil(H / stride), ceil(W / stride)).

    Args:
        channels_in: that come in.
        channels_out: that come out.
        kernel: odd side of the kernel.
        stride: of all branches.
        groups: of all branches.
        branches: how many of the full kernel.

    Raises:
        UserError: channels that the groups do not divide, or an even kernel.
    """

    def __init__(
        self, channels_in: int, channels_out: int, kernel: int, stride: int = 1, groups: int = 1, branches: int = 1
    ) -> None:
        super().__init__()
        kernels = [kernel] * branches + ([1] if kernel > 1 else [])
        self.convolutions = nn.ModuleList(conv(channels_in, channels_out, side, stride, groups) for side in kernels)
        self.norms = nn.ModuleList(nn.BatchNorm2d(channels_out) for _ in kernels)
        keeps_shape = stride == 1 and channels_in == channels_out
        self.identity = nn.BatchNorm2d(channels_out) if keeps_shape else None

    def forward(self, x: Tensor) -> Tensor:
        parts = [norm(convolution(x)) for convolution, norm in zip(self.convolutions, self.norms, strict=True)]
        result: Tensor = sum(parts[1:], parts[0])
        return result if self.identity is None else result + self.identity(x)

    @torch.no_grad()
    def merged(self) -> nn.Conv2d:
        """Returns the one convolution; its weights are summed in double precision and rounded once."""
        whole = self._whole
        side = whole.kernel_size[0]
        weight = torch.zeros_like(whole.weight, dtype=torch.float64)
        bias = torch.zeros_like(weight[:, 0, 0, 0])
        for kernel, norm in self.branches_and_norms():
            scale, shift = _scale_and_shift(norm)
            weight += F.pad(kernel.double() * scale[:, None, None, None], [(side - kernel.shape[-1]) // 2] * 4)
            bias += shift
        with torch.device("meta"):
            single = nn.Conv2d(whole.in_channels, whole.out_channels, side, groups=whole.groups)
        single.stride, single.padding = whole.stride, whole.padding
        single.weight = nn.Parameter(weight.to(whole.weight.dtype), requires_grad=False)
        single.bias = nn.Parameter(bias.to(whole.weight.dtype), requires_grad=False)
        return single

    @torch.no_grad()
    def set_merged(self, weight: Tensor, bias: Tensor) -> None:
        """Puts all of it into the first branch and silences the others."""
        for _, norm in self.branches_and_norms():
            norm.weight.zero_()
            norm.bias.zero_()
        _, first = self.branches_and_norms()[0]
        assert first.running_var is not None and first.running_mean is not None
        first.running_mean.zero_()
        first.running_var.fill_(1 - first.eps)
        first.weight.fill_(1)
        first.bias.copy_(bias)
        self._whole.weight.copy_(weight)

    @property
    def _whole(self) -> nn.Conv2d:
        """The convolution of the first branch, which has the full kernel."""
        found = self.convolutions[0]
        assert isinstance(found, nn.Conv2d)
        return found

    def branches_and_norms(self) -> list[tuple[Tensor, nn.BatchNorm2d]]:
        """Returns kernel and normalisation of each branch, the full kernel first, the identity last."""
        pairs = [
            (convolution.weight, norm)
            for convolution, norm in zip(self.convolutions, self.norms, strict=True)
            if isinstance(convolution, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d)
        ]
        return pairs if self.identity is None else [*pairs, (_unit(self._whole), self.identity)]


def _scale_and_shift(norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """Returns, in double precision, what a normalisation in eval mode multiplies each channel by, and adds."""
    assert norm.running_var is not None and norm.running_mean is not None
    scale = norm.weight.double() / torch.sqrt(norm.running_var.double() + norm.eps)
    return scale, norm.bias.double() - norm.running_mean.double() * scale


def _unit(whole: nn.Conv2d) -> Tensor:
    """Returns the 1x1 kernels, (out, in / groups, 1, 1), that hand on what comes in."""
    share = whole.in_channels // whole.groups
    places = torch.arange(whole.out_channels, device=whole.weight.device) % share
    return F.one_hot(places, share).to(whole.weight.dtype)[:, :, None, None]


@block("rep_conv")
def rep_conv(
    channels_in: int, channels_out: int, stride: int, drop: float, *, kernel: int, act: str, groups: int, branches: int
) -> nn.Module:
    """A re-parameterised convolution and an activation: RepVGG's block."""
    merging = Reparameterised(channels_in, channels_out, kernel, stride, groups, branches)
    return nn.Sequential(merging, *activation(act))


@block("mobileone")
def mobileone(
    channels_in: int,
    channels_out: int,
    stride: int,
    drop: float,
    *,
    kernel: int,
    act: str,
    branches: int,
    **squeeze: Any,
) -> nn.Module:
    """A depthwise and a 1x1 re-parameterised convolution, both with squeeze-and-excitation and activation."""
    return nn.Sequential(
        Reparameterised(channels_in, channels_in, kernel, stride, channels_in, branches),
        *squeezed(channels_in, channels_in, **squeeze),
        *activation(act),
        Reparameterised(channels_in, channels_out, 1, 1, 1, branches),
        *squeezed(channels_out, channels_out, **squeeze),
        *activation(act),
    )
