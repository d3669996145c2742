"""Every block family goes to devices: a small network of it is written without the general exporter, computes the same,
is int8 behind its stem, keeps the targets' rules, in float16 too, and its memory can be told."""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from nastk.deploy.onnx.memory import peak_activation_bytes
from nastk.deploy.onnx.writer import quick_model, serialise
from nastk.deploy.precision.calibrate import Ranges, tensor_ranges
from nastk.deploy.precision.fusion import int8_share
from nastk.deploy.precision.half import half_model
from nastk.deploy.precision.lint import OPSETS, lint
from nastk.deploy.precision.quantize import quantized_model
from nastk.deploy.precision.scheme import ARM, TENSORRT, X86, Scheme
from nastk.deploy.runtimes.session import open_session, predict
from nastk.deploy.targets import ArmTarget, CpuTarget, CudaTarget, TensorrtTarget
from nastk.deploy.tuning.trainable import TrainableInt8
from nastk.genotype import families  # noqa: F401  (enters the families)
from nastk.genotype.blocks import ACTIVATIONS, BLOCKS
from nastk.genotype.stages import Stage, StageGenotype
from nastk.networks.stages import build_stages
from tests.deploy.int8 import beside_stems

SIZE, WIDTH, CLASSES = 16, 24, 5
SHAPE = (1, 3, SIZE, SIZE)
CALIBRATION, TESTED = 64, 48
LEAST_IN_INT8 = 0.95
FLOAT_BYTES = 4
# Half a unit in the last of float16's 11 bits, times what a few dozen layers make of it.
FLOAT16 = 8 * 2**-11
TARGETS = {"cpu": CpuTarget(), "arm": ArmTarget(), "tensorrt": TensorrtTarget()}
SCHEMES = {"cpu": X86, "arm": ARM, "tensorrt": TENSORRT}

USUAL = ("conv", "inverted_residual", "rep_conv", "shuffle_v2")  # the others' activations: -m slow
every_family = pytest.mark.parametrize("family", sorted(BLOCKS))
every_activation = pytest.mark.parametrize(
    ("family", "act"),
    [
        pytest.param(name, act, marks=[] if name in USUAL else pytest.mark.slow)
        for name, facts in sorted(BLOCKS.items())
        for act in ACTIVATIONS
        if "act" in facts.options and not facts.classifier and act != facts.options["act"].default
    ],
)


def genotype(family: str, act: str | None = None) -> StageGenotype:
    """Returns two stages of the family, the first with a stride where it can have one, or the family as the end."""
    facts = BLOCKS[family]
    stem = Stage("conv", WIDTH)
    if facts.classifier:
        return StageGenotype((Stage("residual_basic", WIDTH, stride=2),), (stem,), classifier=Stage(family))
    options = () if act is None else (("act", act),)
    width = 0 if facts.own_width else WIDTH
    deep = Stage(family, width, 2 if facts.repeats else 1, 2 if facts.strides else 1, options)
    return StageGenotype((deep, Stage(family, width, 1, 1, options)), (stem,))


@functools.cache
def network(family: str, act: str | None = None) -> nn.Module:
    """Returns the network with statistics of images that it has seen, in eval mode."""
    torch.manual_seed(0)
    made = build_stages(genotype(family, act), classes=CLASSES, channels=3, height=SIZE, width=SIZE)
    for part in made.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.momentum = None
            nn.init.uniform_(part.weight, 0.5, 1.5)
            nn.init.normal_(part.bias, std=0.2)
    with torch.no_grad():
        made.train()(torch.from_numpy(images(128)))
    return made.eval()


def images(count: int) -> np.ndarray:
    """Returns smooth images, as photographs are, each of its own contrast."""
    random = np.random.default_rng(count)
    coarse = torch.from_numpy(random.normal(size=(count, 3, 5, 5)).astype(np.float32))
    smooth = nn.functional.interpolate(coarse, (SIZE, SIZE), mode="bilinear").numpy()
    return (2 * smooth * random.uniform(0.5, 1.5, (count, 1, 1, 1))).astype(np.float32)


def logits(family: str, act: str | None = None) -> np.ndarray:
    with torch.no_grad():
        return network(family, act)(torch.from_numpy(images(TESTED))).numpy()


@functools.cache
def written(family: str, act: str | None = None) -> onnx.ModelProto:
    return quick_model(network(family, act), SHAPE)


@functools.cache
def ranges(family: str, act: str | None = None) -> Ranges:
    return tensor_ranges(written(family, act), images(CALIBRATION))


def error(found: np.ndarray, reference: np.ndarray) -> float:
    """Returns the mean square error in units of how much the logits differ between images."""
    return float(np.square(found - reference).mean() / reference.var(axis=0).mean())


@every_family
def test_the_quick_writer_gives_a_file_that_computes_the_same_at_any_batch_size(family: str) -> None:
    model = written(family)
    (opset,) = model.opset_import
    assert opset.domain == "" and OPSETS[0] <= opset.version <= OPSETS[1]
    assert model.graph.input[0].type.tensor_type.shape.dim[0].dim_param
    session = open_session(serialise(model))
    expected = logits(family)
    assert expected.std() > 0.01
    np.testing.assert_allclose(predict(session, images(TESTED)), expected, atol=1e-4 * np.abs(expected).max())
    np.testing.assert_allclose(predict(session, images(TESTED)[:1]), expected[:1], atol=1e-4 * np.abs(expected).max())


@every_family
@pytest.mark.parametrize("scheme", [X86, ARM], ids=lambda scheme: scheme.name)
def test_convolutions_run_in_int8(family: str, scheme: Scheme, tmp_path: Path) -> None:
    path = tmp_path / "model.int8.onnx"
    path.write_bytes(serialise(quantized_model(written(family), ranges(family), scheme)))
    fusion = beside_stems(int8_share(path, signed=scheme is ARM), scheme)
    own = [node.op_type for node in written(family).graph.node].count("Conv") - (scheme is X86)
    assert fusion.convolutions == own
    assert fusion.in_int8 >= LEAST_IN_INT8 * own, fusion.sentence()
    if scheme is X86:
        assert error(predict(open_session(path.read_bytes()), images(TESTED)), logits(family)) < 0.05


@every_activation
def test_any_activation_stays_in_int8(family: str, act: str, tmp_path: Path) -> None:
    path = tmp_path / "model.int8.onnx"
    path.write_bytes(serialise(quantized_model(written(family, act), ranges(family, act))))
    fusion = beside_stems(int8_share(path), X86)
    assert fusion.in_int8 >= LEAST_IN_INT8 * fusion.convolutions > 0, fusion.sentence()
    assert error(predict(open_session(path.read_bytes()), images(TESTED)), logits(family, act)) < 0.1


@every_family
@pytest.mark.parametrize("target", SCHEMES)
def test_files_keep_the_rules_of_targets(family: str, target: str) -> None:
    lint(written(family), TARGETS[target])
    lint(quantized_model(written(family), ranges(family), SCHEMES[target]), TARGETS[target])


@every_family
def test_float16_keeps_the_rules_and_says_what_float32_says(family: str) -> None:
    half = half_model(written(family), ranges(family))
    for target in (TensorrtTarget(), CudaTarget()):
        lint(half, target)
    expected, found = logits(family), predict(open_session(serialise(half)), images(TESTED))
    assert np.abs(found - expected).max() < FLOAT16 * np.abs(expected).max()
    best = np.sort(expected, axis=1)
    clear = best[:, -1] - best[:, -2] > 2 * FLOAT16 * np.abs(expected).max()
    assert clear.sum() > TESTED // 2
    assert (found.argmax(1) == expected.argmax(1))[clear].all()


@every_family
def test_training_in_int8_begins_at_what_the_file_computes(family: str) -> None:
    trainable = TrainableInt8(written(family), ranges(family))
    found = trainable(torch.from_numpy(images(TESTED)))
    int8 = predict(open_session(serialise(quantized_model(written(family), ranges(family)))), images(TESTED))
    assert error(found.detach().numpy(), int8) < 0.01
    found.square().sum().backward()
    weights = [parameter for name, parameter in trainable.named_parameters() if name.endswith("weight")]
    assert all(weight.grad is not None and weight.grad.abs().sum() > 0 for weight in weights)


@every_family
def test_memory_is_at_least_that_of_the_first_map_and_its_source(family: str) -> None:
    least = FLOAT_BYTES * SIZE * SIZE * (3 + WIDTH)
    assert least <= peak_activation_bytes(written(family)) <= 100 * least
