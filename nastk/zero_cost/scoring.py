"""Scores an untrained candidate by several proxies, in the logarithms in which scores are compared and added."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from nastk.checks import check_name
from nastk.data.sized import SizedParts
from nastk.data.subsets import subset_indices
from nastk.errors import UserError
from nastk.genotype import Genotype
from nastk.networks import NetworkConfig, build_network
from nastk.seeds import derive_seed
from nastk.training.batches import in_order
from nastk.training.seeds import isolated_rng
from nastk.zero_cost.prepared import draw_weights
from nastk.zero_cost.proxies import PROXIES


def check_proxies(where: str, names: Sequence[object]) -> tuple[str, ...]:
    """Returns names of proxies; raises UserError for one that there is not, or that is named twice."""
    found = tuple(check_name(where, name, PROXIES) for name in names)
    if len(set(found)) != len(found):
        raise UserError(f"{where}: {list(found)} names a proxy twice")
    return found


def batch_of(parts: SizedParts, count: int, seed: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Returns the images that candidates are scored on, normalised, float (n, C, H, W), and their labels (n,).

    Args:
        parts: what a search trains on.
        count: how many images; one of each class where that is more, all where there are fewer.
        seed: draws them.
        device: of what is returned.
    """
    train = parts.drawn.train
    labels = train.y.cpu()
    wanted = min(len(train), max(count, int(labels.bincount().count_nonzero())))
    some = train.take(subset_indices(labels, wanted, derive_seed(seed, "zero_cost")).to(train.y.device))
    return next(iter(in_order(some, parts.normalisation, device, wanted)))


def log_scores(
    genotype: Genotype, config: NetworkConfig, batch: tuple[Tensor, Tensor], proxies: Sequence[str], seed: int
) -> dict[str, float]:
    """Returns the logarithm of each proxy's score of a candidate with weights that follow from its key.

    Args:
        genotype: the candidate.
        config: how it is built.
        batch: as `batch_of` gives it; the network is scored on its device.
        proxies: names in `PROXIES`.
        seed: of the weights, with the genotype's key.

    Returns:
        by name, the larger the better; not finite where the proxy cannot tell, see `logarithm`.
    """
    images, labels = batch
    with isolated_rng(derive_seed(seed, "zero_cost", genotype.key), images.device):
        network = build_network(genotype, config)
        draw_weights(network)
    network.to(images.device)
    return {name: logarithm(name, PROXIES[name](network, images, labels)) for name in proxies}


def logarithm(name: str, score: float) -> float:
    """Returns the logarithm of a proxy's score, in the order of the scores; -inf or nan where it has none.

    Scores are of units as far apart as 1e66 and a fraction; in logarithms each has its say. NASWOT is one already, of a
    determinant. The covariance of the Jacobian is negative: of what it is below 0, less is better.
    """
    if name == "naswot" or not math.isfinite(score):
        return score
    if name == "jacob_cov":
        return -math.log(-score) if score < 0 else math.nan
    return math.log(score) if score > 0 else -math.inf
