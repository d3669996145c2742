"""Every named network of stages runs in int8; in its small form it is trained, exported and right on real images."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from torch import nn

from nastk.deploy.export.export import export_model
from nastk.deploy.export.export_settings import ExportSettings
from nastk.deploy.images import normalised
from nastk.deploy.manifest import load_manifest
from nastk.deploy.onnx.writer import quick_model, serialise
from nastk.deploy.precision.calibrate import tensor_ranges
from nastk.deploy.precision.fusion import int8_share
from nastk.deploy.precision.lint import lint
from nastk.deploy.precision.quantize import quantized_model
from nastk.deploy.runtimes.session import open_session, predict
from nastk.deploy.targets import CpuTarget, TensorrtTarget
from nastk.genotype.stages import KIND, StageGenotype
from nastk.jobs.small_form import small_form
from nastk.networks import NetworkConfig
from nastk.networks.stages import build_stages
from nastk.training.transfer import TransferSettings, train_final
from tests.marks import mostly_slow
from tests.networks.named import FOLDER
from tests.training.small import few_digits

SIZE, QUARTER, CLASSES = 64, 0.25, 10
LEAST_IN_INT8 = 0.95
SMALL, EIGHTH = 32, 0.125
# A guess is right in a tenth of the digits; three times as many, of 100 images, it is by chance once in a million.
RIGHT = 0.3
# Epochs, images a step and learning rate.
LENGTHS = {"resnet18": (4, 32, 0.05), "squeezenet1_0": (30, 16, 0.01), "squeezenet1_1": (30, 16, 0.01)}


def stage_networks() -> dict[str, StageGenotype]:
    """Returns the genotypes that conf/network writes out as stages."""
    written = {path.stem: yaml.safe_load(path.read_text()).get("genotype") for path in sorted(FOLDER.glob("*.yaml"))}
    return {
        name: StageGenotype.from_dict(genotype)
        for name, genotype in written.items()
        if isinstance(genotype, dict) and genotype.get("kind") == KIND
    }


@pytest.mark.parametrize(
    "name", mostly_slow(stage_networks(), ("resnet18", "mobilenet_v2", "shufflenet_v2_x1_0", "densenet121"))
)
def test_a_quarter_of_its_width_runs_in_int8(name: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    made = build_stages(
        stage_networks()[name], classes=CLASSES, channels=3, height=SIZE, width=SIZE, width_multiplier=QUARTER
    )
    for part in made.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.momentum = None
    images = 1.5 * nn.functional.interpolate(torch.randn(16, 3, 9, 9), (SIZE, SIZE), mode="bilinear")
    with torch.no_grad():
        made.train()(images)
    model = quick_model(made.eval(), (1, 3, SIZE, SIZE))
    int8 = quantized_model(model, tensor_ranges(model, images.numpy()))
    lint(int8, CpuTarget())
    lint(model, TensorrtTarget())
    (tmp_path / "model.int8.onnx").write_bytes(serialise(int8))
    fusion = int8_share(tmp_path / "model.int8.onnx")
    assert fusion.in_int8 >= LEAST_IN_INT8 * fusion.convolutions > 0, fusion.sentence()


@pytest.mark.parametrize("name", mostly_slow(stage_networks(), ("resnet18",)))
def test_its_small_form_is_trained_quantized_exported_and_run_on_real_images(name: str, tmp_path: Path) -> None:
    data = dataclasses.replace(few_digits(tmp_path, train=300), resize=SMALL)
    sizes = {"depth_multiplier": 0.5, "width_multiplier": EIGHTH if name == "resnet18" else QUARTER}
    small, network = small_form(stage_networks()[name], NetworkConfig(channels=1, size=SMALL, sizes=sizes))
    # One is quick to learn them; those without normalisation take the longest, and smaller steps.
    epochs, batch, rate = LENGTHS.get(name, (12, 16, 0.05))
    settings = TransferSettings(epochs=epochs, batch=batch, learning_rate=rate, threads=1, device="cpu", cutout=0.0)
    train_final(small, network, data, settings, tmp_path / "trained")
    export_model(tmp_path / "trained", tmp_path / "export", data, ExportSettings(seconds=0.0, calibration=64))
    test, facts = data.test(), load_manifest(tmp_path / "export")["preprocessing"]
    images = normalised(test.pixels(torch.arange(len(test))), facts["mean"], facts["std"])
    for file in ("model.onnx", "model.int8.onnx"):
        logits = predict(open_session((tmp_path / "export" / file).read_bytes()), images)
        assert np.mean(logits.argmax(1) == test.y.numpy()) >= RIGHT, file
