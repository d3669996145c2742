"""Synaptic flow: how much of a network's output runs through its weights, without looking at any image."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from nastk.zero_cost.prepared import copied, gradients, logits, weights

NORMS = (_BatchNorm, nn.LayerNorm, nn.GroupNorm)


def synflow(network: nn.Module, images: Tensor, labels: Tensor) -> float:
    """Returns the sum of |weight x gradient| over all weights, of the network made linear.

    Tanaka, Kunin, Yamins, Ganguli, "Pruning neural networks without any data by iteratively conserving synaptic flow",
    NeurIPS 2020, as a score of whole networks: Abdelfattah et al., "Zero-Cost Proxies for Lightweight NAS", ICLR 2021.
    Every weight stands at its absolute value, normalisation passes on what it gets, the image is all ones, and what is
    differentiated is the sum of the logits. In double precision, for the flow grows by a factor with every layer: the
    cells of NAS-Bench-201 reach 1e66. Past 1e308 it is inf.

    Args:
        network: see `Proxy`.
        images: their shape counts alone.
        labels: not read.
    """
    return _flow(network, images, lambda gradient: gradient)


def logsynflow(network: nn.Module, images: Tensor, labels: Tensor) -> float:
    """Returns the sum of |weight x log(1 + gradient)|: synaptic flow whose gradients do not explode with depth.

    Cavagnero, Robbiano, Caputo, Averta, "FreeREA: Training-Free Evolution-Based Architecture Search", WACV 2023.
    Arguments as of `synflow`.
    """
    return _flow(network, images, torch.log1p)


def _flow(network: nn.Module, images: Tensor, scaled: Callable[[Tensor], Tensor]) -> float:
    linear = copied(network, training=False).double()
    for part in linear.modules():
        if isinstance(part, NORMS):
            part.register_forward_hook(_passed_on)
    with torch.no_grad():
        for parameter in linear.parameters():
            parameter.abs_()
    of = weights(linear)
    ones = torch.ones_like(images[:1], dtype=torch.float64)
    found = gradients(logits(linear, ones).sum(), of)
    return float(sum((weight.detach() * scaled(part)).abs().sum() for weight, part in zip(of, found, strict=True)))


def _passed_on(norm: nn.Module, given: tuple[Tensor, ...], normalised: Any) -> Tensor:
    return given[0]
