"""The classic networks, as data in `conf/network`: published parameters, operations, map sizes; scaled, they learn."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from nastk.config.build import load_yaml, plain, shipped
from nastk.deploy.onnx.writer import quick_model, serialise
from nastk.deploy.precision.fusion import int8_share
from nastk.deploy.precision.kept_float import float_stems
from nastk.deploy.precision.quantize import quantize_int8
from nastk.deploy.precision.scheme import X86
from nastk.deploy.runtimes.session import open_session, predict
from nastk.genotype.stages import StageGenotype
from nastk.networks.stages import StageNetwork, build_stages
from tests.deploy.int8 import beside_stems
from tests.deploy.networks import enliven, images
from tests.marks import mostly_slow

# Parameters with the classes of the network's file, of the implementation that it names.
PUBLISHED = {
    "alexnet": 61_100_840,
    "densenet121": 7_978_856,
    "dpn68": 12_611_602,
    "googlenet": 6_624_904,
    "preactresnet18": 11_171_146,
    "resnet18": 11_689_512,
    "resnet50": 25_557_032,
    "resnext50_32x4d": 25_028_904,
    "senet154": 115_088_984,
    "seresnext50_32x4d": 27_559_896,
    "squeezenet1_0": 1_248_424,
    "squeezenet1_1": 1_235_496,
    "vgg16": 138_357_544,
    "xception": 22_855_952,
}
GIGA_MACS = {"densenet121": 2.83, "resnet50": 4.09, "vgg16": 15.47}
# Side of the last map that the network of the file has at its own image size.
LAST_SIDE = {
    "alexnet": 6,
    "preactresnet18": 4,
    "squeezenet1_0": 13,
    "squeezenet1_1": 13,
    "xception": 10,
}
PAPER_SIDE = 7  # of the others: 224 pixels, strided 32 times


def classic(name: str) -> dict[str, Any]:
    """Returns the content of a file of `conf/network`."""
    content: dict[str, Any] = plain(load_yaml(shipped("conf") / "network" / f"{name}.yaml"))
    return content


def built(
    name: str, classes: int | None = None, side: int | None = None, width: float = 1.0, depth: float = 1.0
) -> StageNetwork:
    """Returns a classic network on the meta device or whichever is current."""
    content = classic(name)
    size = side or content["size"]
    genotype = StageGenotype.from_dict(content["genotype"])
    sides = {"height": size, "width": size}
    classes = classes or content["classes"]
    return build_stages(genotype, classes=classes, channels=3, width_multiplier=width, depth_multiplier=depth, **sides)


def macs(network: nn.Module, image: Tensor) -> int:
    """Returns multiply-accumulates of the convolutions and linear layers on an image."""
    counts: list[int] = []

    def count(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        assert isinstance(layer, nn.Conv2d | nn.Linear)
        counts.append(output.numel() * layer.weight[0].numel())

    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            module.register_forward_hook(count)
    network.eval()(image)
    return sum(counts)


@pytest.mark.parametrize(("name", "parameters"), PUBLISHED.items())
def test_a_classic_has_its_published_parameters(name: str, parameters: int) -> None:
    with torch.device("meta"):
        network = built(name)
    assert sum(parameter.numel() for parameter in network.parameters()) == parameters


@pytest.mark.parametrize(("name", "giga"), GIGA_MACS.items())
def test_a_classic_has_its_published_operations(name: str, giga: float) -> None:
    with torch.device("meta"):
        assert round(macs(built(name), torch.empty(1, 3, 224, 224)) / 1e9, 2) == giga


@pytest.mark.parametrize("name", mostly_slow(PUBLISHED, ("resnet18", "alexnet", "xception")))
def test_a_classic_maps_its_own_images_to_logits_through_maps_of_the_published_size(name: str) -> None:
    content = classic(name)
    with torch.device("meta"):
        network = built(name)
        image = torch.empty(2, 3, content["size"], content["size"])
        features = nn.Sequential(*network.stages)(image)
        side = LAST_SIDE.get(name, PAPER_SIDE)
        assert tuple(features.shape[2:]) == (side, side)
        assert network(image).shape == (2, content["classes"])


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_classic_of_a_quarter_width_and_half_depth_learns_on_small_images(name: str) -> None:
    torch.manual_seed(0)
    side = 32 if name == "preactresnet18" else 64
    network = built(name, classes=5, side=side, width=0.25, depth=0.5)
    logits = network(torch.randn(2, 3, side, side))
    assert logits.shape == (2, 5)
    logits.square().sum().backward()
    assert not [name for name, parameter in network.named_parameters() if parameter.grad is None]
    whole = PUBLISHED[name]
    assert sum(parameter.numel() for parameter in network.parameters()) < whole / 8


@pytest.mark.parametrize("name", mostly_slow(PUBLISHED, ("resnet18", "resnext50_32x4d", "densenet121")))
def test_a_classic_can_have_any_width(name: str) -> None:
    with torch.device("meta"):
        sizes = []
        for width in (0.05, 0.3, 0.7, 1.0, 1.4):
            network = built(name, side=64, width=width, depth=0.2)
            assert network(torch.empty(1, 3, 64, 64)).shape == (1, classic(name)["classes"])
            sizes.append(sum(parameter.numel() for parameter in network.parameters()))
    assert sizes == sorted(set(sizes))


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_small_classic_is_written_as_it_computes_and_runs_in_int8(name: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = enliven(built(name, classes=5, side=64, width=0.25, depth=0.5), 64)
    image = images(8, 3, 64, 64, seed=2)
    model = quick_model(network, (1, 3, 64, 64))
    with torch.no_grad():
        expected = network(image).numpy()
    assert expected.std(0).max() > 0
    found = predict(open_session(serialise(model)), image.numpy())
    assert abs(found - expected).max() <= 1e-4 * abs(expected).max()
    (tmp_path / "model.onnx").write_bytes(serialise(model))
    quantize_int8(tmp_path / "model.onnx", tmp_path / "int8.onnx", images(16, 3, 64, 64, seed=1).numpy())
    share = beside_stems(int8_share(tmp_path / "int8.onnx"), X86, len(float_stems(model, X86)))
    assert share.in_int8 == share.convolutions > 0
    assert {node.op for node in share.float_nodes} <= {"Flatten"}  # of logits that no linear layer gives
