"""A channel's score is the square of the loss's gradient by a gate on it, and what is held out has no say in it."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from nastk.genotype.stages import Stage, StageGenotype
from nastk.networks import NetworkConfig, build_network
from nastk.networks.channels import network_channels
from nastk.networks.stages import StageNetwork
from nastk.training.importance import channel_scores


def test_scores_are_squared_gradients_by_gates_added_over_normalisations_and_averaged_over_batches() -> None:
    torch.manual_seed(0)
    genotype = StageGenotype((Stage("residual_basic", 16, depth=2), Stage("inverted_residual", 24, stride=2)))
    network = build_network(genotype, NetworkConfig(classes=3, channels=1, size=8)).eval()
    assert isinstance(network, StageNetwork)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.bias)
    batches = [(torch.randn(4, 1, 8, 8), torch.tensor([0, 1, 2, 0])) for _ in range(2)]
    channels = network_channels(network, 1)
    scores = channel_scores(network, channels, batches)
    assert all(parameter.grad is None for parameter in network.parameters())
    for group, paths in channels.norms.items():
        gates = {path: torch.ones(channels.sizes[group], requires_grad=True) for path in paths}
        handles = [network.get_submodule(path).register_forward_hook(gated(gate)) for path, gate in gates.items()]
        expected = torch.zeros(channels.sizes[group])
        for images, labels in batches:
            found = torch.autograd.grad(cross_entropy(network(images), labels), list(gates.values()))
            expected += sum(one.square() for one in found) / 2
        torch.testing.assert_close(scores[group].float(), expected)
        for handle in handles:
            handle.remove()
    assert max(len(paths) for paths in channels.norms.values()) == 3  # of the residual row: two branches, one shortcut


def gated(gate: Tensor):  # type: ignore[no-untyped-def]
    return lambda module, given, out: out * gate[:, None, None]
