"""How much memory a training step takes, by the tensors that the backward pass needs; nothing is computed."""

from __future__ import annotations

import functools

import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks

from nastk.genotype import Genotype
from nastk.networks import NetworkConfig, build_network

# Weights, gradients, momentum and a moving average.
COPIES = 4
# Gradients on their way and the kernels' own buffers, against what is kept: measured on shipped spaces, see the tests.
SCRATCH = 1.5


@functools.lru_cache(maxsize=64)  # a search asks at its beginning, and again when it tells what it will take
def step_bytes(genotype: Genotype, config: NetworkConfig, batch: int) -> int:
    """Returns about how many bytes a step of a network takes, in float32.

    What the backward pass keeps is counted exactly, each piece of memory once, on tensors without content.

    Args:
        genotype: the cells.
        config: the network.
        batch: images a step.
    """
    seen: dict[int, Tensor] = {}

    def keep(tensor: Tensor) -> Tensor:
        seen.setdefault(tensor.untyped_storage()._cdata, tensor)  # held, so that no other gets its place
        return tensor

    with torch.device("meta"):
        network = build_network(genotype, config).train()
        image = torch.empty(batch, *config.shape)
        with saved_tensors_hooks(keep, lambda tensor: tensor), torch.enable_grad():
            output = network(image)
    weights = sum(weight.numel() * weight.element_size() for weight in network.parameters())
    own = {weight.untyped_storage()._cdata for weight in (*network.parameters(), *network.buffers())}
    kept = sum(tensor.untyped_storage().nbytes() for key, tensor in seen.items() if key not in own)
    del output
    return round(SCRATCH * kept + COPIES * weights)
