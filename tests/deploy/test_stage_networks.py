"""Every named network of stages runs in int8, in a small form for small images."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import yaml
from torch import nn

from nastk.deploy.onnx.writer import quick_model, serialise
from nastk.deploy.precision.calibrate import tensor_ranges
from nastk.deploy.precision.fusion import int8_share
from nastk.deploy.precision.lint import lint
from nastk.deploy.precision.quantize import quantized_model
from nastk.deploy.targets import CpuTarget
from nastk.genotype.stages import KIND, StageGenotype
from nastk.networks.stages import build_stages
from tests.marks import mostly_slow
from tests.networks.named import FOLDER

SIZE, QUARTER, CLASSES = 64, 0.25, 10
LEAST_IN_INT8 = 0.95


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
    (tmp_path / "model.int8.onnx").write_bytes(serialise(int8))
    fusion = int8_share(tmp_path / "model.int8.onnx")
    assert fusion.in_int8 >= LEAST_IN_INT8 * fusion.convolutions > 0, fusion.sentence()
