"""Files of the names that other libraries have: every tensor has one place of its shape, no place is left empty."""

from __future__ import annotations

import dataclasses
import math
import random
from collections.abc import Callable, Iterator, Mapping

import pytest
import torch
from torch import Tensor, nn

from nastk.networks import build_network
from nastk.networks.foreign import translated
from nastk.networks.initial import fitting
from tests.networks.foreign.names import EFFICIENTNET_PYTORCH, PARAMETERS, TIMM, TORCHVISION, Named, shapes_of
from tests.networks.named import named

RULES: Mapping[str, Mapping[str, Callable[[], Named]]] = {
    "torchvision": TORCHVISION,
    "timm": TIMM,
    "efficientnet-pytorch": EFFICIENTNET_PYTORCH,
}
CASES = [(library, name) for library, rules in RULES.items() for name in rules]


def meta(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Tensor]:
    """Tensors without memory, in an order that says nothing, as a safetensors file may have them."""
    names = list(shapes)
    random.Random(0).shuffle(names)
    whole = {name: torch.int64 if name.endswith("num_batches_tracked") else torch.float32 for name in names}
    return {name: torch.empty(shapes[name], dtype=whole[name], device="meta") for name in names}


def network(name: str, **changes: int) -> nn.Module:
    genotype, config = named(name)
    with torch.device("meta"):
        return build_network(genotype, dataclasses.replace(config, **changes))


@pytest.mark.parametrize(("library", "name"), CASES)
def test_every_tensor_has_one_place_and_every_place_is_filled(library: str, name: str) -> None:
    shapes = shapes_of(RULES[library][name])
    counted = (math.prod(shape) for key, shape in shapes.items() if key.rpartition(".")[2] in ("weight", "bias"))
    assert sum(counted) == PARAMETERS[name], "the names and shapes are not those that the library publishes"
    built = network(name)
    found = translated(meta(shapes), built)
    assert found is not None and found.reason == ""
    assert len(found.tensors) == len(shapes)
    expected = {key: tensor.shape for key, tensor in built.state_dict().items()}
    assert {key: tensor.shape for key, tensor in found.tensors.items()} == expected
    assert len(fitting(meta(shapes), built, 3).taken) == len(expected)
    assert translated(built.state_dict(), built) is None, "our own names are another library's"


def _without(shapes: dict[str, tuple[int, ...]], word: str) -> dict[str, tuple[int, ...]]:
    return {name: shape for name, shape in shapes.items() if word not in name}


def test_wrapped_names_old_names_absent_counts_an_absent_head_and_auxiliary_heads_are_understood() -> None:
    resnet, dense = shapes_of(TORCHVISION["resnet18"]), shapes_of(TORCHVISION["densenet121"])
    google = {**shapes_of(TORCHVISION["googlenet"]), "aux1.conv.conv.weight": (128, 512, 1, 1)}
    old = {name.replace("norm1", "norm.1").replace("conv2", "conv.2"): shape for name, shape in dense.items()}
    for name, shapes, missing in (
        ("resnet18", {f"module.{key}": shape for key, shape in resnet.items()}, 0),
        ("resnet18", _without(resnet, "num_batches_tracked"), 20),
        ("resnet18", _without(resnet, "fc."), 2),
        ("densenet121", old, 0),
        ("googlenet", google, 0),
    ):
        built = network(name)
        found = translated(meta(shapes), built)
        assert found is not None
        assert len(built.state_dict()) - len(found.tensors) == missing
        assert all(found.tensors[key].shape == built.state_dict()[key].shape for key in found.tensors)


@pytest.mark.parametrize(
    ("file", "into", "told"),
    [
        ("resnet50", "resnet18", "by the names of torchvision's and timm's ResNet (107 layers there, 41 here)"),
        ("mobilenet_v2", "mnasnet1_0", "torchvision's MobileNetV2"),
        ("vgg16", "alexnet", "torchvision's VGG or AlexNet (16 layers there, 8 here)"),
    ],
)
def test_another_network_of_the_family_does_not_fit_and_the_reason_is_told(file: str, into: str, told: str) -> None:
    fit = fitting(meta(shapes_of(TORCHVISION[file])), network(into), 3)
    assert not fit.enough and told in fit.told


def test_another_head_is_drawn_anew_and_told_by_its_classes() -> None:
    fit = fitting(meta(shapes_of(TORCHVISION["mobilenet_v2"])), network("mobilenet_v2", classes=25), 3)
    assert fit.enough and len(fit.taken) == 312
    assert fit.told.endswith("classifier: 1000 classes there, 25 here, drawn anew")
    assert "312 of 314 tensors, 98.6% of the parameters" in fit.told


class Mobile(nn.Module):
    """Sandler et al. 2018, and Howard et al. 2019 small, restated in plain torch with torchvision's names."""

    def __init__(self, weights: Mapping[str, Tensor], epsilon: float) -> None:
        super().__init__()
        self.weights, self.epsilon = weights, epsilon

    def pair(self, x: Tensor, name: str, stride: int = 1, names: tuple[str, str] = ("0", "1")) -> Tensor:
        prefix = f"{name}." if name else ""
        weight = self.weights[f"{prefix}{names[0]}.weight"]
        pad, groups = weight.shape[-1] // 2, x.shape[1] // weight.shape[1]
        x = nn.functional.conv2d(x, weight, stride=stride, padding=pad, groups=groups)
        norm = [self.weights[f"{prefix}{names[1]}.{key}"] for key in ("running_mean", "running_var", "weight", "bias")]
        return nn.functional.batch_norm(x, norm[0], norm[1], norm[2], norm[3], eps=self.epsilon)

    def linear(self, x: Tensor, name: str) -> Tensor:
        return nn.functional.linear(x, self.weights[f"{name}.weight"], self.weights[f"{name}.bias"])


class V2(Mobile):
    def forward(self, x: Tensor) -> Tensor:
        x = nn.functional.relu6(self.pair(x, "features.0", 2))
        strides = {2, 4, 7, 14}
        for place in range(1, 18):
            before, block, last = x, f"features.{place}.conv", 1
            if place > 1:
                x, last = nn.functional.relu6(self.pair(x, f"{block}.0")), 2
            x = nn.functional.relu6(self.pair(x, f"{block}.{last - 1}", 2 if place in strides else 1))
            x = self.pair(x, block, names=(str(last), str(last + 1)))
            x = x + before if x.shape == before.shape else x
        x = nn.functional.relu6(self.pair(x, "features.18"))
        return self.linear(x.mean((2, 3)), "classifier.1")


class V3Small(Mobile):
    def forward(self, x: Tensor) -> Tensor:
        f = nn.functional
        x = f.hardswish(self.pair(x, "features.0", 2))
        for place in range(1, 12):
            before, block = x, f"features.{place}.block"
            act = f.relu if place < 4 else f.hardswish
            index = 0
            if place > 1:
                x, index = act(self.pair(x, f"{block}.0")), 1
            x = act(self.pair(x, f"{block}.{index}", 2 if place in {1, 2, 4, 9} else 1))
            if place not in {2, 3}:
                index += 1
                first, second = (self.weights[f"{block}.{index}.fc{n}.weight"] for n in (1, 2))
                biases = [self.weights[f"{block}.{index}.fc{n}.bias"] for n in (1, 2)]
                gate = f.relu(f.conv2d(x.mean((2, 3), keepdim=True), first, biases[0]))
                x = x * f.hardsigmoid(f.conv2d(gate, second, biases[1]))
            x = self.pair(x, f"{block}.{index + 1}")
            x = x + before if x.shape == before.shape else x
        x = f.hardswish(self.pair(x, "features.12"))
        return self.linear(f.hardswish(self.linear(x.mean((2, 3)), "classifier.0")), "classifier.3")


class Residual(Mobile):
    """He et al. 2016, 18 layers."""

    def forward(self, x: Tensor) -> Tensor:
        f = nn.functional
        x = f.max_pool2d(f.relu(self.pair(x, "", 2, ("conv1", "bn1"))), 3, 2, 1)
        for stage in range(1, 5):
            for place in range(2):
                block, stride = f"layer{stage}.{place}", 2 if stage > 1 and place == 0 else 1
                y = f.relu(self.pair(x, block, stride, ("conv1", "bn1")))
                y = self.pair(y, block, 1, ("conv2", "bn2"))
                shortcut = self.pair(x, f"{block}.downsample", stride) if stride > 1 else x
                x = f.relu(y + shortcut)
        return self.linear(x.mean((2, 3)), "fc")


def drawn(shapes: Mapping[str, tuple[int, ...]]) -> Iterator[tuple[str, Tensor]]:
    """Weights of a size at which signals neither vanish nor explode; variances in 0.5..1.5."""
    for name, shape in shapes.items():
        if name.endswith("num_batches_tracked"):
            yield name, torch.tensor(7)
        elif name.endswith("running_var"):
            yield name, torch.rand(shape) + 0.5
        elif len(shape) > 1:
            yield name, torch.randn(shape) * (2 / math.prod(shape[1:])) ** 0.5
        else:
            yield name, torch.rand(shape) * 0.5 + (0.5 if name.endswith("weight") else -0.25)


@pytest.mark.parametrize(
    ("name", "restated", "epsilon"),
    [("resnet18", Residual, 1e-5), ("mobilenet_v2", V2, 1e-5), ("mobilenet_v3_small", V3Small, 1e-3)],
)
def test_a_file_of_torchvisions_names_computes_the_same_here(name: str, restated: type[Mobile], epsilon: float) -> None:
    torch.manual_seed(1)
    weights = dict(drawn(shapes_of(TORCHVISION[name])))
    genotype, config = named(name)
    built = build_network(genotype, config).eval()
    fit = fitting(weights, built, 3)
    assert fit.share == 1
    built.load_state_dict(fit.taken)
    images = torch.randn(2, 3, 96, 96)
    with torch.no_grad():
        expected, found = restated(weights, epsilon)(images), built(images)
    assert expected.std() > 0.01, "the restated network says nothing of its image"
    assert torch.allclose(found, expected, rtol=1e-5, atol=1e-5 * float(expected.abs().max()))
