"""Covariance of the Jacobian: how differently an untrained network's output changes with different images."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from nastk.zero_cost.prepared import copied, gradients, logits

SHIFT = 1e-5


def jacob_cov(network: nn.Module, images: Tensor, labels: Tensor) -> float:
    """Returns -sum of log(v + k) + 1 / (v + k) over the eigenvalues v of the correlations of the images' gradients.

    Mellor, Turner, Storkey, Crowley, "Neural Architecture Search without Training", arXiv 2006.04647, version 1;
    k = 1e-5. It is nan where the output does not depend on some image.

    Args:
        network, images, labels: see `Proxy`; the labels are not read.
    """
    given = images.detach().clone().requires_grad_()
    (jacobian,) = gradients(logits(copied(network), given).sum(), [given])
    correlations = torch.corrcoef(jacobian.flatten(1).double())
    if not bool(correlations.isfinite().all()):
        return math.nan
    values = torch.linalg.eigvalsh(correlations.cpu()) + SHIFT
    return -float((values.log() + 1 / values).sum())
