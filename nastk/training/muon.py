"""Muon for networks of convolutions: steps that turn a kernel in all directions alike, and keep its size.

Jordan et al., "Muon: An optimizer for hidden layers in neural networks", 2024, and Jordan, "94% on CIFAR-10 in 3.29
Seconds on a Single GPU", arXiv 2404.00498, whose later version keeps the kernels' norms too. The gradient's momentum is
replaced by the nearest matrix with orthogonal rows, found by Newton and Schulz's iteration (Bernstein, Newhouse, "Old
Optimizer, New Norm: An Anthology", arXiv 2409.20325). `torch.optim.Muon` takes matrices only, and decays weights
whose norm this keeps.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from nastk.training.parameter_groups import Groups, by_decay

KERNELS = "kernels"  # key of a group: the number of groups of each of its convolutions
MOMENTUM = 0.6  # of kernels; as in Jordan's training of CIFAR-10
OTHERS = 2.0  # the learning rate of all else, for each unit of the kernels'
ITERATIONS = 3
TINY = 1e-7  # keeps a gradient of zeros zero
# The odd polynomial of the iteration, of Jordan et al.: in a few steps it brings singular values up to 1 near 1.
COEFFICIENTS = (3.4445, -4.7750, 2.0315)


def muon_groups(network: nn.Module, weight_decay: float) -> Groups:
    """Returns a network's trained parameters: kernels that a normalisation follows, other weights, norms and biases.

    A convolution without a bias is taken for one that is normalised after it, so that its norm says nothing.
    """
    convolutions = [
        one for one in network.modules() if isinstance(one, nn.Conv2d) and one.bias is None and one.weight.requires_grad
    ]
    kernels = {one.weight: one.groups for one in convolutions}
    others = by_decay((one for one in network.parameters() if one not in kernels), weight_decay)
    turned = {"params": list(kernels), KERNELS: list(kernels.values()), "weight_decay": 0.0}
    return [turned, *others] if kernels else others


class Muon(torch.optim.Optimizer):
    """Orthogonal steps for kernels, stochastic gradient descent with Nesterov's momentum for all else.

    A kernel's step is at most about 1.2 `lr` of its norm long, and its norm stays what it was at the start, that of
    weights from elsewhere too. Each group of a grouped convolution is a matrix of its own, so a depthwise one's steps
    have the same length for each channel.

    Args:
        groups: of `muon_groups`.
        lr: the kernels' step, as a share of their norm; `OTHERS` times it is the learning rate of all else.
        momentum: of all else; kernels have `MOMENTUM`.
    """

    def __init__(self, groups: Groups, lr: float, momentum: float) -> None:
        super().__init__(groups, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Takes a step; returns what `closure` does, which makes the gradients anew where there is one."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            splits = group.get(KERNELS, [1] * len(group["params"]))
            reached = [pair for pair in zip(group["params"], splits, strict=True) if pair[0].grad is not None]
            if not reached:
                continue
            weights = [weight for weight, _ in reached]
            if KERNELS in group:
                self._turn(weights, [split for _, split in reached], group["lr"])
            else:
                self._descend(weights, OTHERS * group["lr"], group["momentum"], group["weight_decay"])
        return loss

    def _turn(self, kernels: list[Tensor], splits: list[int], rate: float) -> None:
        """Turns kernels by the share `rate` of their norms, those of one shape at once."""
        directions = self._directions(kernels, [_gradient(one) for one in kernels], MOMENTUM)
        alike: dict[tuple[int, ...], list[int]] = defaultdict(list)
        for index, (kernel, split) in enumerate(zip(kernels, splits, strict=True)):
            alike[split, len(kernel) // split, kernel[0].numel()].append(index)
        for (split, rows, columns), members in alike.items():
            chosen = [kernels[index] for index in members]
            turns = orthogonal(torch.stack([directions[index].reshape(split, rows, columns) for index in members]))
            norms = torch._foreach_norm(chosen)
            steps = [turn.reshape(one.shape) for turn, one in zip(turns, chosen, strict=True)]
            length = rate / (split * min(rows, columns)) ** 0.5
            torch._foreach_sub_(chosen, list(torch._foreach_mul(steps, norms)), alpha=length)
            reached = torch._foreach_add(torch._foreach_norm(chosen), TINY**2)  # a kernel of zeros stays one
            torch._foreach_mul_(chosen, torch._foreach_div(norms, reached))

    def _descend(self, weights: list[Tensor], rate: float, momentum: float, decay: float) -> None:
        """Takes a step of stochastic gradient descent; decay is part of the gradient."""
        gradients = list(torch._foreach_add([_gradient(one) for one in weights], weights, alpha=decay))
        torch._foreach_sub_(weights, self._directions(weights, gradients, momentum), alpha=rate)

    def _directions(self, weights: list[Tensor], gradients: list[Tensor], momentum: float) -> list[Tensor]:
        """Returns where Nesterov's momentum leads; what it remembers of each weight is of the weight's shape."""
        for weight in weights:
            if "momentum_buffer" not in self.state[weight]:
                self.state[weight]["momentum_buffer"] = torch.zeros_like(weight)
        kept = [self.state[weight]["momentum_buffer"] for weight in weights]
        torch._foreach_mul_(kept, momentum)
        torch._foreach_add_(kept, gradients)
        return list(torch._foreach_add(gradients, kept, alpha=momentum))


def orthogonal(matrices: Tensor) -> Tensor:
    """Returns matrices with the singular vectors of these, with singular values of 0.7 to 1.2 but where these are tiny.

    Args:
        matrices: float (..., rows, columns); of a single row it is only the length that changes.
    """
    tall = matrices.size(-2) > matrices.size(-1)
    x = matrices.mT if tall else matrices
    x = x / (torch.linalg.matrix_norm(x, keepdim=True) + TINY)
    if x.size(-2) > 1:
        x = _polynomials(x @ x.mT) @ x
    found: Tensor = x.mT if tall else x
    return found


def _polynomials(square: Tensor) -> Tensor:
    """Returns the product of the iterations' polynomials; all of them are of `square`, so they commute.

    In this way only two products are as large as the matrices themselves: `square` and that with the result.
    """
    whole = factor = _polynomial(square)
    for _ in range(ITERATIONS - 1):
        square = factor @ square @ factor
        factor = _polynomial(square)
        whole = factor @ whole
    return whole


def _polynomial(square: Tensor) -> Tensor:
    first, third, fifth = COEFFICIENTS
    found = third * square + fifth * (square @ square)
    found.diagonal(dim1=-2, dim2=-1).add_(first)
    return found


def _gradient(weight: Tensor) -> Tensor:
    assert weight.grad is not None
    return weight.grad
