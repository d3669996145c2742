"""The size of a network as a proxy: what every other proxy has to beat."""

from __future__ import annotations

from torch import Tensor, nn

from nastk.networks import NetworkConfig
from nastk.networks.count import count_macs, count_parameters


def params(network: nn.Module, images: Tensor, labels: Tensor) -> float:
    """Returns the number of parameters, without an auxiliary head's; see `Proxy`."""
    return float(count_parameters(network, auxiliary=False))


def macs(network: nn.Module, images: Tensor, labels: Tensor) -> float:
    """Returns the multiply-accumulates of one image, as `count_macs`; see `Proxy`."""
    _, channels, height, width = images.shape
    return float(count_macs(network, NetworkConfig(channels=channels, height=height, width=width)))
