"""The shared weights, and how a network takes its part of them and gives back what it learns."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from nastk.errors import UserError
from nastk.genotype.scaling import Scaling
from nastk.genotype.skeleton import STAGES
from nastk.genotype.stages import Stage, StageGenotype
from nastk.networks import NetworkConfig, build_network
from nastk.networks.count import without_content
from nastk.networks.stages import StageNetwork
from nastk.seeds import derive_seed
from nastk.spaces import StageSpace
from nastk.spaces.places import Places
from nastk.supernet.roles import blocks_of, roles
from nastk.supernet.shapes import Shapes, key, shared_shapes

Slices = tuple[slice, ...]
States = dict[nn.Parameter, dict[str, Tensor]]


class SharedWeights(nn.Module):
    """Every weight of every network of a space, once: as large as the largest network has it.

    Running means and variances are not among them: they hang on the network, and are counted anew for each.

    Args:
        space: its networks share.
        config: what they are built as.
        seed: of the first values; None leaves them open, for those that are read.
        shapes: of `shared_shapes`, where they are known.

    Raises:
        UserError: a network of the space cannot be built.
    """

    def __init__(
        self, space: StageSpace, config: NetworkConfig, seed: int | None, shapes: Shapes | None = None
    ) -> None:
        super().__init__()
        self.config = config
        self._places = Places(space)
        self._scaling = Scaling(depth=float(config.complete(STAGES).sizes["depth_multiplier"]))
        shapes = shared_shapes(space, config) if shapes is None else shapes
        self.names = tuple(shapes)
        self.weights = nn.ParameterList(nn.Parameter(_drawn(name, shapes[name], seed)) for name in self.names)
        self._by_name = dict(zip(self.names, self.weights, strict=True))

    def lend(self, genotype: StageGenotype) -> Lent:
        """Returns a genotype's network with its part of the weights: copies, on their device.

        Raises:
            UserError: the space does not hold the genotype.
        """
        network = self._built(genotype)
        parts = []
        for layer, own, name, slices in self._parts(genotype, network):
            whole = self._by_name[name]
            layout = torch.channels_last if whole.ndim == 4 else torch.contiguous_format
            weight = nn.Parameter(whole.detach()[slices].clone(memory_format=layout))
            layer._parameters[own] = weight
            parts.append((weight, whole, slices))
        return Lent(network, parts)

    def _built(self, genotype: StageGenotype) -> StageNetwork:
        """Returns the network on the weights' device, but for the weights, which are yet to come."""
        device = self.weights[0].device
        with without_content():
            network = build_network(genotype, self.config.of(genotype))
        assert isinstance(network, StageNetwork)
        for layer in network.modules():
            if layer._buffers and not isinstance(layer, _BatchNorm):
                raise UserError(
                    f"supernet: {type(layer).__name__} holds numbers that are no weights; it cannot be shared"
                )
            for name, value in layer._buffers.items():
                if value is not None:  # running mean 0, variance 1, no batch seen
                    layer._buffers[name] = torch.full_like(value, float(name == "running_var"), device=device)
        return network

    def holds(self, genotype: StageGenotype) -> None:
        """Raises UserError where a network of this genotype has no part in the weights."""
        list(self._parts(genotype, self._built(genotype)))

    def _parts(self, genotype: StageGenotype, network: StageNetwork) -> Iterator[tuple[nn.Module, str, str, Slices]]:
        """Yields the weights of a network as layer and name there, each with the shared one's name and its part."""
        placed = self._places.of(genotype)
        if placed is None:
            raise UserError(f"supernet: it does not hold {genotype.key[:8]}: no network of its space")
        for (at, stage), module in zip(placed, [*network.stages, *network.head, network.classifier], strict=True):
            for index, block in enumerate(blocks_of(module, self._depth(at, stage))):
                for role, (layer, own) in roles(block).items():
                    name, shape = key(at, index, stage.block, role), tuple(getattr(layer, own).shape)
                    whole = self._by_name.get(name)
                    slices = None if whole is None else part_of(tuple(whole.shape), shape)
                    if slices is None:
                        raise UserError(f"supernet: it does not hold {name} of shape {list(shape)}")
                    yield layer, own, name, slices

    def _depth(self, at: str, stage: Stage) -> int:
        return self._scaling.blocks(stage.depth) if at.startswith("stages/") else stage.depth


class Lent:
    """A network with its part of the shared weights.

    Attributes:
        network: of the genotype, its weights copies.
    """

    def __init__(self, network: StageNetwork, parts: list[tuple[nn.Parameter, nn.Parameter, Slices]]) -> None:
        self.network = network
        self._parts = parts

    @torch.no_grad()
    def step(self, optimizer: torch.optim.Optimizer, states: States) -> None:
        """Takes an optimizer's step, and brings weights and what the optimizer remembers back to where they are shared.

        Args:
            optimizer: of the network, new.
            states: what optimizers remember of each shared weight, by its name there: momentum.
        """
        remembered = next(iter(states.values()), {})
        for weight, whole, slices in self._parts:
            known = states.get(whole, {})
            optimizer.state[weight] = {
                name: _part_or_zeros(known.get(name), like, weight, slices) for name, like in remembered.items()
            }
        optimizer.step()
        for weight, whole, slices in self._parts:
            whole[slices] = weight
            of_whole = states.setdefault(whole, {})
            for name, value in optimizer.state[weight].items():
                if value.ndim == 0:  # a count of steps
                    of_whole[name] = value
                else:
                    of_whole.setdefault(name, torch.zeros_like(whole))[slices] = value


def _part_or_zeros(whole: Tensor | None, like: Tensor, weight: Tensor, slices: Slices) -> Tensor:
    """Returns a weight's part of what is remembered of the shared one, zeros where that is nothing yet."""
    if whole is None:
        return torch.zeros_like(weight if like.ndim else like)
    return (whole[slices] if whole.ndim else whole).clone()


def part_of(whole: tuple[int, ...], part: tuple[int, ...]) -> Slices | None:
    """Returns where in a shared weight a smaller one lies: the leading channels, the centre of the kernel.

    None where it is larger, or of other dimensions.
    """
    if len(whole) != len(part) or any(one < other for one, other in zip(whole, part, strict=True)):
        return None
    starts = [(one - other) // 2 if axis > 1 else 0 for axis, (one, other) in enumerate(zip(whole, part, strict=True))]
    return tuple(slice(start, start + size) for start, size in zip(starts, part, strict=True))


def _drawn(name: str, shape: tuple[int, ...], seed: int | None) -> Tensor:
    """Returns the first values: torch's own of convolutions and linear layers, 1 for other weights, 0 for biases."""
    if seed is None:
        return torch.empty(shape)
    if len(shape) < 2:
        return torch.full(shape, float(name.endswith(".weight")))
    bound = 1 / math.sqrt(math.prod(shape[1:]))  # kaiming_uniform_ of a = sqrt(5), torch's default
    generator = torch.Generator().manual_seed(derive_seed(seed, name))
    return torch.empty(shape).uniform_(-bound, bound, generator=generator)
