"""Forward and backward of a network captured as CUDA graphs, so that its hundreds of kernels are launched as two."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from nastk.ops.drop_path import DropPath
from nastk.training.share import Share
from nastk.training.stream import BatchStream

# Capturing costs several steps; a shorter training is over before that pays.
LEAST_STEPS = 50


def why_not(network: nn.Module, device: torch.device, share: Share) -> str | None:
    """Returns why the steps of a training cannot be captured, or None."""
    if device.type != "cuda":
        return f"there are no CUDA graphs on {device}"
    if share.ddp:
        return "DDP hooks into each step"
    if any(isinstance(module, DropPath) and module.at_end > 0 for module in network.modules()):
        return "drop path changes with each step (drop_path above 0)"
    return None


@contextmanager
def graphed(
    network: nn.Module, batches: BatchStream, device: torch.device, *, wanted: bool | str, steps: int, bf16: bool
) -> Iterator[bool]:
    """Lets `network` replay captured graphs in training mode for the block; in eval mode it runs as ever.

    Parameters and statistics are as before the capture. Outputs and gradients are those of the same kernels, so equal.

    Args:
        network: on `device`, in training mode, no hooks on it.
        batches: all of one shape; they are copied into the graph's input.
        device: where it trains.
        wanted: True, False, or "auto": where it is possible and the training long enough to gain by it.
        steps: in all.
        bf16: whether the network runs under autocast to bfloat16.

    Yields:
        Whether graphs are replayed. Where True was asked for, or a capture failed, a warning of one line says why not.
    """
    reason = why_not(network, device, batches.share)
    if reason is None and wanted is not False and (wanted is True or steps >= LEAST_STEPS):
        reason = _capture(network, batches, device, bf16)
        if reason is None:
            try:
                yield True
            finally:
                del network.forward  # what the capture put before the class's own
            return
        wanted = True
    if wanted is True:
        warnings.warn(f"graph: {reason}; trains without CUDA graphs", stacklevel=3)
    yield False


def _capture(network: nn.Module, batches: BatchStream, device: torch.device, bf16: bool) -> str | None:
    """Captures, and returns None, or why that failed."""
    example = torch.zeros(batches.shape, device=device).contiguous(memory_format=torch.channels_last)
    buffers = [(buffer, buffer.clone()) for buffer in network.buffers()]
    network.train()
    try:
        # The casts of the weights are part of the graph: cached ones would be those of the first step for ever.
        with torch.cuda.device(device), torch.autocast("cuda", torch.bfloat16, enabled=bf16, cache_enabled=False):
            torch.cuda.make_graphed_callables(network, (example,), allow_unused_input=True)
    except RuntimeError as error:
        return f"capture failed ({str(error).strip().splitlines()[0][:160]})"
    finally:
        for buffer, value in buffers:  # its trial runs count into batch norm's statistics
            buffer.copy_(value)
    return None
