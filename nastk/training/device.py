"""The device that a network trains on: choosing it, and moving a network there."""

from __future__ import annotations

import torch
from torch import nn

from nastk.errors import UserError


def choose_device(name: str) -> torch.device:
    """Returns the device called `name`: "auto" (the first GPU, else the CPU), "cpu", "cuda" or "cuda:1".

    Raises:
        UserError: there is no such device here.
    """
    available = ["cpu", *(f"cuda:{index}" for index in range(torch.cuda.device_count()))]
    if name == "auto":
        return torch.device(available[-1] if len(available) == 1 else available[1])
    wanted = "cuda:0" if name == "cuda" else name
    if wanted not in available:
        raise UserError(f"device={name!r}, expected auto or one of: {', '.join(available)}")
    return torch.device(wanted)


def place(network: nn.Module, device: torch.device) -> None:
    """Moves a network to `device`, its weights in channels_last layout: depthwise convolutions on a CPU want it."""
    network.to(device)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stubs lack this form
