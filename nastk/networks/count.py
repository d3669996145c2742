"""Parameters and multiply-accumulates of a network, counted without computing anything."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional
from torch.overrides import TorchFunctionMode
from torch.utils.flop_counter import FlopCounterMode

from nastk.networks.config import NetworkConfig
from nastk.ops.merging import merged_network


class _SkipUncounted(TorchFunctionMode):
    """Leaves out what keeps the shape and counts nothing, but takes most of the time where tensors have no content."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        if func in (functional.batch_norm, functional.relu, torch.sigmoid):
            return args[0]
        return func(*args, **(kwargs or {}))


def count_parameters(module: nn.Module, auxiliary: bool) -> int:
    """Returns the number of weights that training changes.

    Args:
        module: the network.
        auxiliary: count those of the auxiliary head too; published counts leave them out.
    """
    named = module.named_parameters()
    return sum(weight.numel() for name, weight in named if auxiliary or not name.startswith("auxiliary."))


def count_macs(module: nn.Module, config: NetworkConfig) -> int:
    """Returns the multiply-accumulates of one image in eval mode: convolutions and matrix products.

    That is what published counts are of (NASNet's 564 M, say): normalisation is folded, pooling and sums are left out,
    and so is the auxiliary head; branches are merged as in an exported file. The counter is torch's own, on tensors
    without content; the module is left as it was.
    """
    module = merged_network(module)
    training = [part for part in module.modules() if part.training]
    tensors: dict[str, Tensor] = {
        name: tensor.detach().to("meta") for name, tensor in (*module.named_parameters(), *module.named_buffers())
    }
    image = torch.empty(1, *config.shape, device="meta")
    counter = FlopCounterMode(display=False)
    module.eval()
    try:
        with torch.no_grad(), _SkipUncounted(), counter:
            functional_call(module, tensors, (image,))
    finally:
        for part in training:
            part.training = True
    return int(counter.get_total_flops()) // 2
