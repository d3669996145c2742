"""Modules that train as many branches and compute as one convolution: what they promise, and the network merged."""

from __future__ import annotations

import copy
from abc import abstractmethod
from typing import TypeVar

from torch import Tensor, nn

Network = TypeVar("Network", bound=nn.Module)


class Mergeable(nn.Module):
    """A module that in eval mode is the same function as a single convolution."""

    @abstractmethod
    def merged(self) -> nn.Conv2d:
        """Returns that convolution, with a bias; it shares no weights with the module."""

    @abstractmethod
    def set_merged(self, weight: Tensor, bias: Tensor) -> None:
        """Changes the weights so that `merged` has these: (out, in / groups, kernel, kernel) and (out,)."""


def merged_network(network: Network) -> Network:
    """Returns the network with every `Mergeable` merged, the network itself where it has none.

    The network is left as it was. All other weights are shared with it, names of modules are the same.
    """
    if not any(isinstance(module, Mergeable) for module in network.modules()):
        return network
    made = _merged(network, {})
    assert isinstance(made, type(network)) or isinstance(network, Mergeable)
    return made  # type: ignore[return-value]


def _merged(module: nn.Module, done: dict[nn.Module, nn.Module]) -> nn.Module:
    if module not in done:
        if isinstance(module, Mergeable):
            done[module] = module.merged().train(module.training)
        else:
            done[module] = _with_children_merged(module, done)
    return done[module]


def _with_children_merged(module: nn.Module, done: dict[nn.Module, nn.Module]) -> nn.Module:
    children = {name: _merged(child, done) for name, child in module.named_children()}
    if all(child is module.get_submodule(name) for name, child in children.items()):
        return module
    made = copy.copy(module)
    made._modules = {**module._modules, **children}
    return made
