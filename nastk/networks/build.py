"""From a genotype and a configuration to a network."""

from __future__ import annotations

from collections.abc import Callable

from nastk.errors import unknown
from nastk.genotype import Genotype
from nastk.networks.config import NetworkConfig
from nastk.networks.darts import build_darts
from nastk.networks.nasbench201 import build_nasbench201
from nastk.networks.nasnet import build_nasnet
from nastk.networks.network import Network

SKELETONS: dict[str, Callable[[Genotype, NetworkConfig], Network]] = {
    "nasnet": build_nasnet,
    "darts": build_darts,
    "nasbench201": build_nasbench201,
}


def build_network(genotype: Genotype, config: NetworkConfig) -> Network:
    """Builds the network, with random weights from torch's global generator, on the default device.

    Raises:
        UserError: an unknown op or skeleton, or a configuration that the skeleton cannot work with.
    """
    if genotype.skeleton not in SKELETONS:
        raise unknown("skeleton", genotype.skeleton, SKELETONS)
    return SKELETONS[genotype.skeleton](genotype, config)
