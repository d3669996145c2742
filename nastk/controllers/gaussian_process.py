"""Gaussian processes over rows of choices: an ensemble whose members differ in how far each choice carries."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

MOST = 600  # observations in the model: beyond it the cost of a proposal no longer grows
MOST_FOR_SHAPE = 200  # of them, for choosing the members
JITTER = 1e-8


@dataclass(frozen=True)
class Inputs:
    """Networks as the model sees them.

    Attributes:
        codes: (n, d) integers, which option each choice took; -1 where it was not made.
        features: (n, f) numbers that describe the network otherwise, networks at random about 1 apart; f may be 0.
    """

    codes: Tensor
    features: Tensor

    def take(self, rows: Tensor) -> Inputs:
        """Returns some of the rows."""
        return Inputs(self.codes[rows], self.features[rows])


@dataclass(frozen=True)
class Shape:
    """Parameters of `members` kernels: exp(-sum of the weights of differing choices), the share of the choices' kernel
    against the features' kernel, the features' length scale, and the noise relative to the signal.
    """

    weights: Tensor  # (members, d)
    share: Tensor  # (members,)
    scale: Tensor  # (members,)
    noise: Tensor  # (members,)

    def take(self, rows: Tensor) -> Shape:
        return Shape(self.weights[rows], self.share[rows], self.scale[rows], self.noise[rows])

    def joined(self, other: Shape) -> Shape:
        return Shape(*(torch.cat([getattr(self, name), getattr(other, name)]) for name in vars(self)))


class GaussianProcesses:
    """An ensemble of Gaussian processes, drawn from a prior on kernels and weighted by their marginal likelihood.

    The kernel of two networks is a mixture of one over the choices in which they differ, every choice with a weight
    of its own, and one over the distance of their features (Ru et al., "Interpretable Neural Architecture Search via
    Bayesian Optimisation with Weisfeiler-Lehman Kernels", ICLR 2021, shows how well such models do on cells).

    Args:
        inputs: n observed networks.
        targets: (n,) what came out, the larger the better.
        rng: source of the draws.
        draws: kernels drawn from the prior; as many again are drawn around the best of them.
        members: how many of them are kept.
    """

    def __init__(
        self, inputs: Inputs, targets: Tensor, rng: np.random.Generator, draws: int = 32, members: int = 8
    ) -> None:
        self._center, self._unit = targets.mean(), targets.std(correction=0) + 1e-12
        standard = (targets - self._center) / self._unit
        self._inputs = inputs
        count = len(targets)
        some = torch.arange(count)
        if count > MOST_FOR_SHAPE:
            some = torch.from_numpy(np.sort(rng.permutation(count)[:MOST_FOR_SHAPE]))
        part, goal = self._inputs.take(some), standard[some]
        shape = _drawn(rng, draws, self._inputs, None)
        likelihood, _, _ = _fit(shape, part, goal)
        best = likelihood.argsort(descending=True)[:members]
        around = _drawn(rng, draws, self._inputs, shape.take(best))
        shape = shape.joined(around)
        likelihood = torch.cat([likelihood, _fit(around, part, goal)[0]])
        best = likelihood.argsort(descending=True)[:members]
        self._shape = shape.take(best)
        self.weights = (likelihood[best] - likelihood[best[0]]).exp()
        self.weights = self.weights / self.weights.sum()
        _, self._factor, self._signal = _fit(self._shape, self._inputs, standard)
        self._alpha = torch.cholesky_solve(standard[None, :, None].expand(len(best), -1, -1), self._factor)

    def predict(self, inputs: Inputs) -> tuple[Tensor, Tensor]:
        """Returns means and standard deviations of every member, both (members, n), noise left out."""
        cross = _kernel(self._shape, inputs, self._inputs)
        mean = (cross @ self._alpha)[..., 0]
        solved = torch.linalg.solve_triangular(self._factor, cross.transpose(1, 2), upper=False)
        variance = (1.0 - solved.square().sum(1)).clamp(min=1e-9) * self._signal[:, None]
        return mean * self._unit + self._center, variance.sqrt() * self._unit


def _drawn(rng: np.random.Generator, count: int, inputs: Inputs, around: Shape | None) -> Shape:
    """Draws kernels from the prior, or near kernels that did well."""
    d = inputs.codes.shape[1]

    def normal(mean: float, deviation: float, *shape: int) -> Tensor:
        return torch.from_numpy(rng.normal(mean, deviation, (count, *shape)))

    if around is not None:
        parent = around.take(torch.from_numpy(rng.integers(0, len(around.noise), count)))
        share = torch.logit(parent.share.clamp(0.001, 0.999)) + normal(0, 0.5)
        return Shape(
            parent.weights * normal(0, 0.3, d).exp() * normal(0, 0.2, 1).exp(),
            torch.sigmoid(share) if inputs.features.shape[1] else torch.ones(count, dtype=torch.float64),
            parent.scale * normal(0, 0.3).exp(),
            parent.noise * normal(0, 0.4).exp(),
        )
    overall = normal(math.log(3.0 / max(1, d)), 0.7, 1)
    share = torch.from_numpy(rng.random(count)) if inputs.features.shape[1] else torch.ones(count, dtype=torch.float64)
    return Shape((overall + normal(0.0, 0.7, d)).exp(), share, normal(0.5, 0.5).exp(), normal(-3.0, 1.0).exp())


def _kernel(shape: Shape, left: Inputs, right: Inputs) -> Tensor:
    """Returns (members, n, m)."""
    total = torch.zeros(len(shape.noise), len(left.codes), len(right.codes), dtype=torch.float64)
    differ = (left.codes[:, None, :] != right.codes[None, :, :]).to(torch.float64)
    distance = (differ.reshape(-1, differ.shape[-1]) @ shape.weights.T).T.reshape(total.shape)
    total += shape.share[:, None, None] * torch.exp(-distance)
    if left.features.shape[1]:
        apart = torch.cdist(left.features, right.features, compute_mode="donot_use_mm_for_euclid_dist")
        total += (1 - shape.share)[:, None, None] * torch.exp(-apart[None] / shape.scale[:, None, None])
    return total


def _fit(shape: Shape, inputs: Inputs, standard: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Returns log marginal likelihoods with the signal's variance at its best, Cholesky factors, and that variance."""
    count = len(standard)
    covariance = _kernel(shape, inputs, inputs)
    covariance += (shape.noise[:, None, None] + JITTER) * torch.eye(count, dtype=torch.float64)
    factor = torch.linalg.cholesky(covariance)
    white = torch.linalg.solve_triangular(factor, standard[None, :, None].expand(len(shape.noise), -1, -1), upper=False)
    signal = white.square().mean((1, 2)).clamp(min=1e-12)
    likelihood = -0.5 * count * signal.log() - factor.diagonal(dim1=1, dim2=2).log().sum(1)
    return likelihood, factor, signal
