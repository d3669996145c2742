"""How much each channel of a trained network matters: by how much the loss would change without it, to first order.

Molchanov, Mallya, Tyree, Frosio, Kautz, "Importance Estimation for Neural Network Pruning", CVPR 2019,
https://arxiv.org/abs/1906.10771: a gate behind the normalisation that is 1 and could be 0; the loss's gradient by it is
what scale and shift times their own gradients add up to, and the channel's score is its square; the gate of a layer
without normalisation is behind itself. Where several have the same channels, as in a row of residual blocks, their
scores are added.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from nastk.data.images import DataSource
from nastk.data.normalisation import Normalisation
from nastk.data.sized import data_at
from nastk.data.subsets import hold_out, subset_indices
from nastk.networks.channels import Channels
from nastk.networks.stored import Trained
from nastk.seeds import derive_seed
from nastk.training.batches import in_order
from nastk.training.transfer_settings import TransferSettings

IMAGES, BATCH = 512, 32  # that channels are scored on


def channel_scores(
    network: nn.Module, channels: Channels, batches: Iterable[tuple[Tensor, Tensor]]
) -> dict[int, Tensor]:
    """Returns the importance of each channel, by group, double (channels,), the mean over the batches.

    Args:
        network: trained; it is left as it was. Normalisation has the statistics of its training.
        channels: of it.
        batches: images (n, C, H, W), normalised, and labels (n,), on the network's device; at least one.
    """
    working = copy.deepcopy(network).eval().requires_grad_(True)
    gates = {group: (*channels.norms.get(group, ()), *channels.makers.get(group, ())) for group in channels.sizes}
    modules = {path: working.get_submodule(path) for paths in gates.values() for path in paths}
    scores = {group: torch.zeros(size, dtype=torch.float64) for group, size in channels.sizes.items()}
    count = 0
    for images, labels in batches:
        working.zero_grad()
        out = working(images)
        loss = cross_entropy(out[0] if isinstance(out, tuple) else out, labels)
        torch.autograd.backward([loss])
        for group, paths in gates.items():
            for path in paths:
                scores[group] += _gate_gradient(modules[path]).square()
        count += 1
    return {group: score / count for group, score in scores.items()}


def _gate_gradient(module: nn.Module) -> Tensor:
    """Returns the loss's gradient by a gate on each channel that a layer gives, double (channels,) on the CPU."""
    found = torch.zeros(len(module.weight), dtype=torch.float64)  # type: ignore[arg-type]
    for part in (module.weight, module.bias):
        if isinstance(part, nn.Parameter) and part.grad is not None:
            found += (part.detach() * part.grad).double().reshape(len(part), -1).sum(1).cpu()
    return found


def scored_batches(data: DataSource, settings: TransferSettings, trained: Trained) -> Iterator[tuple[Tensor, Tensor]]:
    """Yields the training images that channels are scored on, none that are held out, normalised as in training.

    Args:
        data: the images.
        settings: of the training, whose seed draws them.
        trained: the network that is scored.
    """
    own = data_at(data, trained.config.size)
    images = hold_out(own, settings.seed)[0] if settings.holdout else own.train()
    count = min(IMAGES, len(images))
    chosen = subset_indices(images.y, count, derive_seed(settings.seed, "importance"))
    mixed = torch.randperm(count, generator=torch.Generator().manual_seed(derive_seed(settings.seed, "importance")))
    normal = trained.facts["normalisation"]
    given = (images.take(chosen[mixed]), Normalisation(tuple(normal["mean"]), tuple(normal["std"])))
    yield from in_order(*given, torch.device("cpu"), BATCH)
