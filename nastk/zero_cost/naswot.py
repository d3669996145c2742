"""NASWOT: how differently an untrained network's ReLUs switch for different images."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from nastk.blocks.cell import CellModule
from nastk.zero_cost.prepared import copied

RECTIFIERS = (nn.ReLU, nn.ReLU6, nn.Hardswish, nn.SiLU, nn.GELU)


def naswot(network: nn.Module, images: Tensor, labels: Tensor) -> float:
    """Returns log |det K|, K_ij = in how many units images i and j are both on or both off.

    Mellor, Turner, Storkey, Crowley, "Neural Architecture Search without Training", ICML 2021. As in their networks
    each edge of a cell that begins with a ReLU counts its units, though edges that read one state compute it once;
    edges that the output does not depend on count nothing, which in theirs they do. The score is -inf where two images
    look alike to the network: where nothing of the image reaches a ReLU, say.

    Args:
        network: see `Proxy`.
        images: of which there should be some ten at least; the score grows with their number, so compare at one.
        labels: not read.
    """
    working = copied(network)
    agreeing = torch.zeros(len(images), len(images), dtype=torch.float64, device=images.device)

    def count(unit: nn.Module, given: Any, output: Tensor) -> None:
        on = (output > 0).flatten(1).float()
        agreeing.add_(on @ on.T).add_((1 - on) @ (1 - on).T)

    for part in working.modules():
        if isinstance(part, CellModule):
            part.shares_relu = False
        if isinstance(part, RECTIFIERS):
            part.register_forward_hook(count)
    with torch.no_grad():
        working(images)
    return float(torch.linalg.slogdet(agreeing.cpu()).logabsdet)
