"""Which axes of a network's tensors are the same channels, so that some of them can be taken out of all at once.

Found by walking through the network's graph: what a convolution gives is new, normalisation, activation and depthwise
convolution hand it on, and a sum or a product of two makes them one (the dependency graph of Fang et al., "DepGraph:
Towards Any Structural Pruning", CVPR 2023, https://arxiv.org/abs/2301.12900). Whatever the walk does not know is left
as it is, with all that comes into it.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import fx, nn
from torch.nn.modules.batchnorm import _BatchNorm

from nastk.blocks.layers import ACTIVATIONS
from nastk.networks.stages import StageNetwork
from nastk.ops.drop_path import DropPath

KEEPING = (
    *(*ACTIVATIONS.values(), nn.Sigmoid, nn.Hardsigmoid, nn.Identity, nn.Dropout, DropPath, nn.Flatten),
    *(nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d),
)
JOINING = (operator.add, operator.iadd, operator.mul, operator.imul, torch.add, torch.mul)
PER_CHANNEL = ("weight", "bias", "running_mean", "running_var")  # of a normalisation


class Axis(NamedTuple):
    """An axis of a tensor: of which group of channels, and how many places next to each other each channel has."""

    group: int
    repeat: int = 1


@dataclass(frozen=True)
class Channels:
    """The groups of channels of a network.

    Attributes:
        sizes: channels of each group.
        axes: by (name of a tensor, axis), for those that are known.
        norms: by group, paths of the normalisations of its channels.
        makers: by group, paths of the convolutions and linear layers that give them with no normalisation right behind.
        fixed: groups of which nothing can be taken out.
    """

    sizes: Mapping[int, int]
    axes: Mapping[tuple[str, int], Axis]
    norms: Mapping[int, Sequence[str]]
    makers: Mapping[int, Sequence[str]]
    fixed: frozenset[int]


def network_channels(network: StageNetwork, channels: int) -> Channels:
    """Returns the groups of channels of a network that takes images of so many; weights are not looked at."""
    walk = _Walk(network)
    latest = walk.fix(walk.new(channels))
    rows = [("stages", network.stages), ("head", network.head)]
    for path, module in [(f"{name}.{place}", one) for name, row in rows for place, one in enumerate(row)]:
        latest = walk.through(path, module, latest)
    walk.fix(walk.through("classifier", network.classifier, latest))
    return walk.found()


class _Tracer(fx.Tracer):
    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return isinstance(m, KEEPING) or super().is_leaf_module(m, module_qualified_name)


@dataclass
class _Walk:
    """Groups found so far; those that turn out to be one point to it. None stands for what is not known."""

    network: nn.Module
    same: list[int] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    held: list[int] = field(default_factory=list)
    axes: dict[tuple[str, int], Axis] = field(default_factory=dict)
    norms: list[tuple[int, str]] = field(default_factory=list)
    makers: list[tuple[int, str]] = field(default_factory=list)

    def new(self, size: int) -> int:
        self.same.append(len(self.same))
        self.sizes.append(size)
        return self.same[-1]

    def root(self, group: int) -> int:
        while self.same[group] != group:
            group = self.same[group]
        return group

    def fix(self, group: int | None) -> int | None:
        if group is not None:
            self.held.append(group)
        return group

    def through(self, path: str, module: nn.Module, given: int | None) -> int | None:
        """Walks through a part of the network; what cannot be traced is not known."""
        if isinstance(module, KEEPING) or type(module).__module__.startswith("torch.nn.modules.conv"):
            return self._module(path, module, given, bare=True)
        try:
            graph = _Tracer().trace(module)
        except (fx.proxy.TraceError, TypeError, ValueError, RuntimeError):
            self.fix(given)
            return None
        known: dict[fx.Node, int | None] = {}
        for node in graph.nodes:
            sources = [known[one] for one in node.all_input_nodes]
            if node.op == "placeholder":
                known[node] = given
            elif node.op == "output":
                return sources[0] if len(sources) == 1 else None
            elif node.op == "call_module" and len(sources) == 1:
                target = str(node.target)
                layer, bare = module.get_submodule(target), not _normalised(node, module)
                known[node] = self._module(f"{path}.{target}", layer, sources[0], bare)
            else:
                known[node] = self._joined(node, sources)
        return None

    def found(self) -> Channels:
        """Returns what was found, each group under the number of the one that it is the same as."""
        axes = {place: Axis(self.root(axis.group), axis.repeat) for place, axis in self.axes.items()}
        norms, makers = self._by_group(self.norms), self._by_group(self.makers)
        sizes = {group: self.sizes[group] for group in map(self.root, range(len(self.same)))}
        return Channels(sizes, axes, norms, makers, frozenset(map(self.root, self.held)))

    def _by_group(self, pairs: Sequence[tuple[int, str]]) -> dict[int, list[str]]:
        found: dict[int, list[str]] = {}
        for group, path in pairs:
            found.setdefault(self.root(group), []).append(path)
        return found

    def _joined(self, node: fx.Node, sources: Sequence[int | None]) -> int | None:
        """Returns the group of what a function gives: of two that are added or multiplied, both are one from now on."""
        if node.op == "call_function" and node.target in JOINING:
            if len(sources) == 1 and all(isinstance(one, fx.Node | int | float) for one in node.args):
                return sources[0]
            if len(sources) == 2 and None not in sources:
                first, second = (self.root(one) for one in sources if one is not None)
                if self.sizes[first] == self.sizes[second]:
                    self.same[second] = first
                    return first
        for one in sources:
            self.fix(one)
        return None

    def _module(self, path: str, module: nn.Module, given: int | None, bare: bool) -> int | None:
        if isinstance(module, KEEPING):
            return given
        if isinstance(module, _BatchNorm) and given is not None:
            self.axes.update({(f"{path}.{name}", 0): Axis(given) for name in PER_CHANNEL})
            self.norms.append((given, path))
            return given
        if isinstance(module, nn.Conv2d):
            return self._convolution(path, module, given, bare)
        if isinstance(module, nn.Linear):
            if given is not None and module.in_features % self.sizes[self.root(given)] == 0:
                repeat = module.in_features // self.sizes[self.root(given)]
                self.axes[f"{path}.weight", 1] = Axis(given, repeat)
            else:
                self.fix(given)
            return self._made(path, module.out_features, bare)
        self.fix(given)
        return None

    def _convolution(self, path: str, module: nn.Conv2d, given: int | None, bare: bool) -> int | None:
        if module.groups == 1:
            if given is not None:
                self.axes[f"{path}.weight", 1] = Axis(given)
            return self._made(path, module.out_channels, bare)
        if module.groups == module.in_channels == module.out_channels and given is not None:
            self.axes.update({(f"{path}.{name}", 0): Axis(given) for name in PER_CHANNEL[:2]})
            return given
        self.fix(given)
        return None

    def _made(self, path: str, size: int, bare: bool) -> int:
        group = self.new(size)
        self.axes.update({(f"{path}.{name}", 0): Axis(group) for name in PER_CHANNEL[:2]})
        if bare:
            self.makers.append((group, path))
        return group


def _normalised(node: fx.Node, module: nn.Module) -> bool:
    """Says whether normalisation alone reads what a layer gives."""
    readers = [module.get_submodule(str(user.target)) if user.op == "call_module" else None for user in node.users]
    return len(readers) == 1 and isinstance(readers[0], _BatchNorm)
