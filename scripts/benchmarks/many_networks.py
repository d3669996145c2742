"""Steps that train several networks of equal shapes: one after another, each on a stream of its own, or as one.

As one: parameters and statistics are stacked and the forward pass is mapped over them (torch.func.vmap), so that each
operation of k networks is one kernel, as in HFTA (Wang et al., MLSys 2021, https://arxiv.org/abs/2102.02344). Each
network has its own batches, gradient norm and momentum; what it learns is what it learns alone.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state
from torch.nn.functional import cross_entropy
from torch.optim import Optimizer
from training_sides import torch_forms

from nastk.training.recipe import Recipe

# Takes images (k, n, C, H, W) and labels (k, n), trains each network by one step, returns their losses (k).
Step = Callable[[Tensor, Tensor], Tensor]
_NORM_FLOOR = 1e-6  # as nn.utils.clip_grad_norm_ has it


def one_after_another(networks: Sequence[nn.Module], recipe: Recipe) -> Step:
    """Returns the step that trains one network after another."""
    optimizers = [recipe.make_optimizer(network.train()) for network in networks]

    def step(images: Tensor, labels: Tensor) -> Tensor:
        parts = zip(networks, optimizers, images, labels, strict=True)
        return torch.stack([_train(network, optimizer, x, y, recipe) for network, optimizer, x, y in parts])

    return step


def on_streams(networks: Sequence[nn.Module], recipe: Recipe) -> Step:
    """Returns the step that puts each network on a CUDA stream of its own, so that their kernels may overlap."""
    optimizers = [recipe.make_optimizer(network.train()) for network in networks]
    streams = [torch.cuda.Stream() for _ in networks]

    def step(images: Tensor, labels: Tensor) -> Tensor:
        here, losses = torch.cuda.current_stream(), []
        for stream, *part in zip(streams, networks, optimizers, images, labels, strict=True):
            stream.wait_stream(here)
            with torch.cuda.stream(stream):
                losses.append(_train(*part, recipe))
        for stream in streams:
            here.wait_stream(stream)
        return torch.stack(losses)

    return step


class AsOne:
    """Networks of equal shapes as one stacked network; call it to train all of them by one step.

    Attributes:
        parameters: of all networks by name, the networks along their first dimension; buffers alike.
    """

    def __init__(self, networks: Sequence[nn.Module], recipe: Recipe) -> None:
        self.parameters, self.buffers = stack_module_state([network.train() for network in networks])
        self._bare = copy.deepcopy(networks[0]).to("meta")
        self._recipe = recipe
        self._optimizer = self._make_optimizer()

    def __call__(self, images: Tensor, labels: Tensor) -> Tensor:
        """Trains all by a step: images (k, n, C, H, W), labels (k, n); returns the losses (k)."""
        with torch_forms():  # ours are made for one network on a processor, and cannot be mapped
            losses = torch.vmap(self._loss, randomness="different")(self.parameters, self.buffers, images, labels)
        self._optimizer.zero_grad()
        losses.sum().backward()  # type: ignore[no-untyped-call]
        self._clip()
        self._optimizer.step()
        return losses.detach()

    def _loss(self, parameters: dict[str, Tensor], buffers: dict[str, Tensor], x: Tensor, y: Tensor) -> Tensor:
        with torch.autocast(x.device.type, torch.bfloat16, enabled=self._recipe.precision == "bf16"):
            logits = functional_call(self._bare, (parameters, buffers), (x,))
            return cross_entropy(logits, y, label_smoothing=self._recipe.label_smoothing)

    def _make_optimizer(self) -> Optimizer:
        """Returns the optimizer of one network, given the stacked parameters: SGD works value by value."""
        optimizer = self._recipe.make_optimizer(self._bare)
        stacked = {id(one): self.parameters[name] for name, one in self._bare.named_parameters()}
        for group in optimizer.param_groups:
            group["params"] = [stacked[id(one)] for one in group["params"]]
        return optimizer

    def _clip(self) -> None:
        """Limits the norm of each network's gradient."""
        gradients = [one.grad for one in self.parameters.values() if one.grad is not None]
        norms = torch.stack([gradient.flatten(1).square().sum(1) for gradient in gradients]).sum(0).sqrt()
        factors = (self._recipe.clip / (norms + _NORM_FLOOR)).clamp(max=1.0)
        for gradient in gradients:
            gradient.mul_(factors.view(-1, *[1] * (gradient.ndim - 1)))


def captured(step: Step, images: Tensor, labels: Tensor) -> Step:
    """Returns a step that replays the kernels of `step` as one CUDA graph, after three steps to warm up."""
    images, labels = images.clone(), labels.clone()
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            step(images, labels)
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        losses = step(images, labels)

    def replay(x: Tensor, y: Tensor) -> Tensor:
        images.copy_(x)
        labels.copy_(y)
        graph.replay()
        return losses

    return replay


def _train(network: nn.Module, optimizer: Optimizer, x: Tensor, y: Tensor, recipe: Recipe) -> Tensor:
    with torch.autocast(x.device.type, torch.bfloat16, enabled=recipe.precision == "bf16"):
        loss = cross_entropy(network(x), y, label_smoothing=recipe.label_smoothing)
    optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    nn.utils.clip_grad_norm_(network.parameters(), recipe.clip, foreach=True)
    optimizer.step()
    return loss.detach()
