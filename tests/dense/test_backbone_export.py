"""A trained network as a backbone's files, and several outputs in ONNX."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import safetensors.torch
import torch

from nastk.data.sources import Digits
from nastk.dense.backbone import Backbone
from nastk.dense.backbone_export import export_backbone
from nastk.dense.onnx_files import checked_model, int8_maps, outputs_of
from nastk.deploy.export.assess import ParityError
from nastk.errors import UserError
from nastk.genotype.stages import StageGenotype
from nastk.networks import NetworkConfig, build_network
from nastk.networks.features import FeatureNetwork, map_names
from nastk.networks.stored import load_trained, save_trained
from tests.commands import run
from tests.networks.named import drawn, named

STAGES = [{"block": "residual_basic", "width": width, "stride": 2} for width in (8, 16, 24)]
HEAD = [{"block": "conv", "width": 64, "kernel": 1}]
FACTS = {
    "normalisation": {"mean": [0.3], "std": [0.4]},
    "classes": [str(digit) for digit in range(10)],
    "data": {"name": "digits"},
}


def write_trained(folder: Path, stages: list[dict[str, Any]] = STAGES) -> Path:
    """Writes a network of digits' total stride as a transfer does, its weights and statistics at random."""
    genotype = StageGenotype.from_dict({"kind": "stages", "stages": stages, "head": HEAD})
    config = NetworkConfig(classes=10, channels=1, size=8)
    torch.manual_seed(0)
    network = build_network(genotype, config)
    network.train()(torch.randn(32, 1, 8, 8))  # batch normalisation's statistics are then no longer 0 and 1
    folder.mkdir(parents=True)
    save_trained(folder, network, config, genotype, FACTS)
    return folder


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("run")
    export_backbone(write_trained(place / "transfer" / "key"), place / "backbone" / "key", Digits(), 64)
    return place


def test_the_files_give_the_maps_that_torch_gives(exported: Path) -> None:
    folder = exported / "backbone" / "key"
    facts = json.loads((folder / "backbone.json").read_text())
    assert facts["schema"] == 1
    assert facts["maps"] == [
        {"name": "stride4", "channels": 16, "stride": 4, "height": 2, "width": 2},
        {"name": "stride8", "channels": 24, "stride": 8, "height": 1, "width": 1},
    ]
    for name, entry in facts["files"].items():
        assert entry["sha256"] == hashlib.sha256((folder / name).read_bytes()).hexdigest()
    images = (Digits().test().pixels(torch.arange(50)).float() / 255 - 0.3) / 0.4
    network = load_trained(exported / "transfer" / "key").network
    maps = dict(zip(("stride4", "stride8"), list(network.walk(images))[1:], strict=True))  # type: ignore[operator]
    model, model_int8 = (onnx.load(folder / name) for name in ("backbone.onnx", "backbone.int8.onnx"))
    assert [output.name for output in model.graph.output] == ["stride4", "stride8"]
    for name, found in outputs_of(model, images.numpy()).items():
        np.testing.assert_allclose(found, maps[name].detach().numpy(), rtol=1e-4, atol=1e-4)
    for name, found in outputs_of(model_int8, images.numpy()).items():
        assert found.shape == tuple(maps[name].shape)
        error = np.abs(found - maps[name].detach().numpy()).mean()
        assert 0 < error < 0.1 * maps[name].abs().mean()


def test_the_weights_are_the_networks_without_its_head(exported: Path) -> None:
    weights = safetensors.torch.load_file(exported / "backbone" / "key" / "backbone.safetensors")
    whole = load_trained(exported / "transfer" / "key").network.state_dict()
    assert {name.partition(".")[0] for name in whole.keys() - weights.keys()} == {"head", "classifier"}
    assert all(torch.equal(weights[name], whole[name]) for name in weights)


def test_int8_runs_every_convolution_behind_those_of_the_image_in_int8_though_its_result_is_an_output(
    exported: Path,
) -> None:
    model = onnx.load(exported / "backbone" / "key" / "backbone.int8.onnx")
    floats = {one.name for one in model.graph.initializer if one.data_type == onnx.TensorProto.FLOAT and one.dims}
    readers = {name: node.op_type for node in model.graph.node for name in node.input}
    convolutions = [node for node in model.graph.node if node.op_type == "Conv"]
    assert len(convolutions) == 9
    assert [node.input[0] for node in convolutions].count("image") == 2
    for node in convolutions:
        assert bool(floats & set(node.input)) == (node.input[0] == "image")
        assert readers[node.output[0]] in ("QuantizeLinear", "Relu")


def test_a_folder_with_other_files_is_not_replaced_and_an_older_export_is(exported: Path, tmp_path: Path) -> None:
    trained, out = exported / "transfer" / "key", tmp_path / "backbone" / "key"
    out.mkdir(parents=True)
    (out / "backbone.json").write_text("{}")
    assert export_backbone(trained, out, Digits(), 16)["files"]["backbone.int8.onnx"]["calibration_images"] == 16
    assert json.loads((out / "backbone.json").read_text())["schema"] == 1
    (out / "notes.txt").write_text("mine")
    with pytest.raises(UserError, match=r"holds 'notes\.txt', which is of no backbone; nothing was replaced"):
        export_backbone(trained, out, Digits(), 16)
    assert [path.name for path in out.parent.iterdir()] == ["key"]


def test_cells_give_their_maps_too() -> None:
    config = NetworkConfig(cells=1, filters=4, classes=2, size=16)
    backbone = FeatureNetwork(build_network(drawn("darts", 1), config), 3, 16, 16).eval()
    images = np.random.default_rng(0).standard_normal((4, 3, 16, 16), dtype=np.float32)
    model, parity = checked_model(backbone, map_names(backbone.info), images, {}, "backbone.onnx")
    assert set(parity) == {"stride4"}
    _, errors = int8_maps(model, images, images)
    assert errors["stride4"]["snr_db"] > 20


@pytest.mark.slow
@pytest.mark.parametrize("name", ["alexnet", "googlenet", "mobilenet_v3_large", "nasnet_a_mobile", "repvgg_a0"])
def test_known_networks_compute_in_onnx_what_they_do_in_torch(name: str) -> None:
    torch.manual_seed(0)
    backbone = FeatureNetwork(build_network(*named(name)), 3, 64, 64).eval()
    images = np.random.default_rng(0).standard_normal((2, 3, 64, 64), dtype=np.float32)
    model, _ = checked_model(backbone, map_names(backbone.info), images, {}, "backbone.onnx")
    _, errors = int8_maps(model, images, images)
    assert min(one["snr_db"] for one in errors.values()) > 5


def test_a_file_that_computes_something_else_is_never_kept() -> None:
    class Moody(torch.nn.Module):
        """Gives another answer each time in torch, and so another than its file."""

        def __init__(self) -> None:
            super().__init__()
            self.conv = torch.nn.Conv2d(1, 2, 1)
            self.calls = 0

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            self.calls += 1
            result: torch.Tensor = self.conv(x) * self.calls
            return result

    with pytest.raises(ParityError, match=r"maps\.onnx map: an output differs"):
        checked_model(Moody(), ("map",), np.ones((2, 1, 4, 4), np.float32), {}, "maps.onnx")


def test_a_backbone_of_a_trained_network_begins_with_its_weights(exported: Path) -> None:
    backbone = Backbone.of_trained(exported / "transfer" / "key")
    assert backbone.normalisation is not None
    assert (backbone.normalisation.mean, backbone.normalisation.std) == ((0.3,), (0.4,))
    built = backbone.build(32, 48)
    assert [(one.stride, one.height, one.width) for one in built.info] == [(4, 8, 12), (8, 4, 6)]
    whole = load_trained(exported / "transfer" / "key").network.state_dict()
    assert all(torch.equal(tensor, whole[name]) for name, tensor in built.network.state_dict().items())
    assert built.training


def test_the_command_writes_it_beside_the_exports(exported: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = f"model={exported / 'transfer' / 'key'}"
    outcome = run(capsys, "export", model, "data=digits", "network.features=true", "export.calibration=16")
    assert outcome.code == 0, outcome.err
    assert outcome.out.strip() == f"Exported files: {exported / 'backbone' / 'key'}"
    assert "stride8, 24 channels, 1x1: backbone.onnx differs from torch by at most" in outcome.err


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("network.features=3",), "network.features=3, expected true or false"),
        (("network=resnet18",), "network: has no weights to export, expected run=<name of a run> or model="),
    ],
)
def test_what_is_no_backbone_is_said(
    exported: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], line: str
) -> None:
    outcome = run(capsys, "export", f"model={exported / 'transfer' / 'key'}", "data=digits", *words)
    assert line in outcome.line


def test_a_trained_network_without_the_strides_is_no_backbone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_trained(tmp_path / "transfer" / "key", STAGES[:1])
    outcome = run(capsys, "export", f"model={folder}", "data=digits", "network.features=true")
    assert "features: no map of stride 4, 8, 16, 32 for 8x8 pixels" in outcome.line
    assert not (tmp_path / "backbone").exists()


def test_describe_lists_the_maps(capsys: pytest.CaptureFixture[str]) -> None:
    words = ("network=squeezenet1_1", "network.size=64", "network.features=true")
    facts = json.loads(run(capsys, "describe", *words, "format=json").out)
    assert [(one["name"], one["channels"]) for one in facts["features"]["maps"]] == [
        *(("stride4", 128), ("stride8", 256), ("stride16", 512))
    ]
    assert facts["features"]["params"] == facts["params"] - 513_000  # classifier: 512 x 1000 + 1000
    text = run(capsys, "describe", *words).out
    assert "  stride8: 256 channels, 7x7" in text
    wrong = run(capsys, "describe", words[0], "network.features=maybe")
    assert "network.features='maybe', expected true or false" in wrong.line
