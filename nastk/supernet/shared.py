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
from nastk.training.device import place

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
        parts = [(weight, self._by_name[name], slices) for weight, name, slices in self._parts(genotype, network)]
        with torch.no_grad():
            for weight, whole, slices in parts:
                weight.copy_(whole[slices])
        return Lent(network, parts)

    def _built(self, genotype: StageGenotype) -> StageNetwork:
        """Returns the network without first weights, which would take longer to draw than a small one to train on."""
        device, config = self.weights[0].device, self.config.of(genotype)
        with without_content():
            network = build_network(genotype, config)
        assert isinstance(network, StageNetwork)
        norms = [layer for layer in network.modules() if isinstance(layer, _BatchNorm)]
        if sum(len(layer._buffers) for layer in norms) != len(list(network.buffers())):
            network = build_network(genotype, config)  # of other buffers nobody here knows what they hold
            place(network, device)
            return network
        network.to_empty(device=device)
        place(network, device)
        for layer in norms:
            layer.reset_running_stats()
        return network

    def holds(self, genotype: StageGenotype) -> None:
        """Raises UserError where a network of this genotype has no part in the weights."""
        with without_content():
            network = build_network(genotype, self.config.of(genotype))
        assert isinstance(network, StageNetwork)
        list(self._parts(genotype, network))

    def _parts(self, genotype: StageGenotype, network: StageNetwork) -> Iterator[tuple[nn.Parameter, str, Slices]]:
        """Yields the weights of a network, each with the name of the shared one and its part of it."""
        placed = self._places.of(genotype)
        if placed is None:
            raise UserError(f"supernet: it does not hold {genotype.key[:8]}: no network of its space")
        for (at, stage), module in zip(placed, [*network.stages, *network.head, network.classifier], strict=True):
            for index, block in enumerate(blocks_of(module, self._depth(at, stage))):
                for role, weight in roles(block).items():
                    name = key(at, index, stage.block, role)
                    whole = self._by_name.get(name)
                    slices = None if whole is None else part_of(tuple(whole.shape), tuple(weight.shape))
                    if slices is None:
                        raise UserError(f"supernet: it does not hold {name} of shape {list(weight.shape)}")
                    yield weight, name, slices

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
