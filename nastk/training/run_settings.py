"""On how many devices a transfer runs, and how often it is stored: what top-level settings of the command say."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from nastk.checks import check_flag, check_name, check_number, check_whole
from nastk.errors import UserError
from nastk.training.device import choose_device

STRATEGIES = ("auto", "ddp")
LEAST_IMAGES = 2  # a variance is of several numbers, and where a map is one pixel an image has but one


@dataclass(frozen=True)
class RunSettings:
    """How a transfer is run.

    Attributes:
        devices: processes that share the training, each with a GPU of its own, or on the CPU.
        strategy: "auto" is one process for one device and DDP for more; "ddp" is DDP (`DistributedDataParallel`).
        sync_batchnorm: whether batch norm takes its statistics over the batches of all devices.
        checkpoint_minutes: between checkpoints within an epoch; 0 for those after each epoch only.
    """

    devices: int = 1
    strategy: str = "auto"
    sync_batchnorm: bool = False
    checkpoint_minutes: float = 10.0

    def __post_init__(self) -> None:
        """Checks every value; raises UserError."""
        check_whole("devices", self.devices, 1, 4096)
        check_name("strategy", self.strategy, STRATEGIES)
        check_flag("sync_batchnorm", self.sync_batchnorm)
        check_number("checkpoint_minutes", self.checkpoint_minutes, 0)

    @property
    def ddp(self) -> bool:
        """Whether the training runs in processes of its own."""
        return self.devices > 1 or self.strategy == "ddp"

    def check(self, device: str, batch: int) -> None:
        """Raises UserError where there are too few devices called `device`, or they cannot share `batch` images."""
        chosen = choose_device(device)
        if self.devices == 1:
            return
        if chosen.type == "cuda":
            if device not in ("auto", "cuda"):
                raise UserError(f"device={device!r}, expected auto, cuda or cpu where devices={self.devices}")
            available = torch.cuda.device_count()
            if self.devices > available:
                raise UserError(f"devices={self.devices}, expected at most {available}: so many GPUs there are")
        if batch % self.devices:
            raise UserError(f"batch={batch}, expected a multiple of devices={self.devices}: each takes an equal part")
        if batch < LEAST_IMAGES * self.devices and not self.sync_batchnorm:
            raise UserError(
                f"batch={batch}, expected at least {LEAST_IMAGES * self.devices} with devices={self.devices}: batch "
                "normalisation needs several images on each; or give sync_batchnorm=true, which takes those of all"
            )
