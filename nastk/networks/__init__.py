"""Networks: a genotype stacked in its skeleton as a `torch.nn.Module`, and what it costs."""

from nastk.networks.build import build_network
from nastk.networks.config import NetworkConfig
from nastk.networks.count import count_macs, count_parameters
from nastk.networks.network import Network

__all__ = ["Network", "NetworkConfig", "build_network", "count_macs", "count_parameters"]
