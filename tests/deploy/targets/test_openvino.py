"""OpenVINO: each file computes in what it is named after, under the settings that the manifest tells with it."""

from __future__ import annotations

import dataclasses
import json
import os
import platform
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from PIL import Image
from torch import nn

from nastk import processor
from nastk.config.build import build, load_yaml, shipped
from nastk.data.sources import Digits
from nastk.deploy.emittable import Emittable, emittable
from nastk.deploy.export.export import export_model
from nastk.deploy.export.export_settings import ExportSettings
from nastk.deploy.onnx.writer import serialise
from nastk.deploy.precision.scheme import OPENVINO
from nastk.deploy.runtimes import openvino_session
from nastk.deploy.runtimes.openvino_session import PRECISION, OpenvinoSession
from nastk.deploy.targets import CpuTarget, OpenvinoTarget
from nastk.deploy.targets.quickest import quickest
from nastk.deploy.targets.target import Runner
from nastk.errors import UserError
from nastk.networks import NetworkConfig
from nastk.ops.shuffle import ChannelShuffle
from nastk.processor import usable_cores
from tests.deploy.digits import digit_files, trained_digits
from tests.deploy.networks import enliven, genotype, small

pytest.importorskip("openvino")
SIZE = 12
SHIFT = 5e-4
F32 = {PRECISION: "f32"}
BF16 = "bf16" in OpenvinoTarget().files
X86_LINUX = sys.platform == "linux" and platform.machine() == "x86_64"
needs_bf16 = pytest.mark.skipif(not BF16, reason="this processor has no bfloat16")


def noise(count: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((count, 3, SIZE, SIZE), dtype=np.float32)


def emittable_of(network: nn.Module, images: np.ndarray) -> Emittable:
    return emittable(network, NetworkConfig(classes=4, size=SIZE), "abc", images)


@pytest.fixture(scope="module")
def source() -> Emittable:
    return emittable_of(small(), noise(32, seed=0))


@pytest.fixture(scope="module")
def folder(source: Emittable, tmp_path_factory) -> Path:
    out: Path = tmp_path_factory.mktemp("openvino")
    OpenvinoTarget().emit(source, out)
    return out


def test_each_file_is_computed_in_what_it_is_named_after(source: Emittable, folder: Path) -> None:
    target = OpenvinoTarget()
    facts = target.facts(folder)["openvino"]["files"]
    images = noise(32, seed=1)
    with torch.no_grad():
        expected = source.network(torch.from_numpy(images)).numpy()
    kinds = {"fp32": {"f32"}, "bf16": {"bf16"}, "int8": {"u8", "i8"}}
    errors = {}
    for precision, file in target.files.items():
        assert set(facts[file]["convolutions"]) <= kinds[precision], "all convolutions, none in another type"
        assert sum(facts[file]["convolutions"].values()) == 4
        assert facts[file]["settings"][PRECISION] == ("bf16" if precision == "bf16" else "f32")
        errors[precision] = np.abs(target.runner(folder / file)(images) - expected).max() / np.abs(expected).max()
    assert errors["fp32"] < 1e-5
    # bfloat16 has 8 bits, as int8 has, but of each number and not of a tensor's greatest.
    assert all(1e-4 < error < 0.1 for name, error in errors.items() if name != "fp32")


@needs_bf16
def test_weights_in_bfloat16_answer_as_openvino_makes_of_float32_ones(source: Emittable, folder: Path) -> None:
    path, images = folder / "model.openvino.bf16.onnx", noise(8, seed=2)
    settings, shape = {PRECISION: "bf16"}, (8, 3, SIZE, SIZE)
    from_float32 = OpenvinoSession(serialise(source.model), settings, shape).predict(images)
    np.testing.assert_array_equal(OpenvinoSession(path.read_bytes(), settings, shape).predict(images), from_float32)
    weights = {tensor.name: tensor for tensor in onnx.load(path).graph.initializer if len(tensor.dims) > 1}
    assert {tensor.data_type for tensor in weights.values()} == {onnx.TensorProto.BFLOAT16}


def test_batches_of_another_size_are_filled_up(folder: Path) -> None:
    images = noise(6, seed=3)
    path = folder / "model.onnx"
    one, four = (OpenvinoTarget(batch=batch).runner(path)(images) for batch in (1, 4))
    np.testing.assert_allclose(one, four, atol=1e-5)
    assert four.shape == (6, 4)


def test_files_are_timed_with_threads_and_streams_that_there_are(folder: Path) -> None:
    target = OpenvinoTarget(threads=0, streams=usable_cores())
    measured = target.measure([folder / file for file in target.files.values()], seconds=0.0)
    assert {(latency.threads, latency.streams) for latency in measured} == {(usable_cores(), usable_cores())}
    assert all(latency.runs >= 200 and 0 < latency.p50_ms <= latency.p99_ms for latency in measured)


def test_the_best_of_a_candidate_is_sought_among_all_files() -> None:
    config = NetworkConfig(cells=1, filters=4, size=8, channels=1)
    cost = quickest(OpenvinoTarget(seconds=0.02)).cost(genotype("nasbench201", seed=0), config)
    each = {name: cost[f"latency_{name}_ms"] for name in OpenvinoTarget().files}
    assert cost["latency_ms"] == min(each.values()) > 0


def test_a_channel_shuffle_before_a_convolution_is_read_as_it_is_meant() -> None:
    """Of a Gather on axis 1 OpenVINO 2026.4 makes weights in an order that is right for its own inverse alone."""
    torch.manual_seed(0)
    layers = [nn.Conv2d(3, 8, 1), ChannelShuffle(8, 2), nn.Conv2d(8, 4, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    network, images = enliven(nn.Sequential(*layers)), noise(4, seed=4)
    data = serialise(emittable_of(network, images).model)
    with torch.no_grad():
        expected = network(torch.from_numpy(images)).numpy()
    np.testing.assert_allclose(OpenvinoSession(data, F32).predict(images), expected, atol=1e-5)


@pytest.mark.skipif(not X86_LINUX, reason="oneDNN's kernels of older x86 processors")
def test_int8_overflows_on_no_processor(tmp_path: Path) -> None:
    """Bright images and weights of one sign: with weights of full eight bits kernels without VNNI lose a third."""
    layers = [nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    network = nn.Sequential(*layers).eval()
    with torch.no_grad():
        for layer in (network[0], network[2]):
            layer.weight.fill_(1 / layer.weight[0].numel())
    images = np.abs(noise(4, seed=5)) + 3
    source = emittable_of(network, images)
    full = dataclasses.replace(OPENVINO, pairs=False)
    for name, scheme in {"shipped": OPENVINO, "full": full}.items():
        (tmp_path / f"{name}.onnx").write_bytes(serialise(source.quantized(scheme)))
    np.save(tmp_path / "images.npy", images)
    script = (
        "import sys, numpy as np; from pathlib import Path\n"
        "from nastk.deploy.runtimes.openvino_session import OpenvinoSession\n"
        "folder = Path(sys.argv[1]); images = np.load(folder / 'images.npy')\n"
        "for name in ('shipped', 'full'):\n"
        "    session = OpenvinoSession((folder / f'{name}.onnx').read_bytes(), {'"
        + PRECISION
        + "': 'f32'}, images.shape)\n"
        "    np.save(folder / f'{name}.npy', session.predict(images))\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path)]
    subprocess.run(command, check=True, env={**os.environ, "ONEDNN_MAX_CPU_ISA": "AVX2"})
    with torch.no_grad():
        expected = network(torch.from_numpy(images)).numpy()
    errors = [
        np.abs(np.load(tmp_path / f"{name}.npy") - expected).max() / expected.max() for name in ("shipped", "full")
    ]
    assert errors[0] < 0.02 and errors[1] > 0.2


class Shifted(CpuTarget):
    """ONNX Runtime, told apart by its logits: all are greater by less than parity allows."""

    def runner(self, path: Path) -> Runner:
        run = super().runner(path)
        return lambda images: run(images) + np.float32(SHIFT)


def test_an_export_scores_files_as_openvino_runs_them_and_its_predict_does_too(tmp_path: Path) -> None:
    trained_digits(tmp_path / "transfer")
    out, targets = tmp_path / "export", (OpenvinoTarget(), Shifted())
    manifest = export_model(tmp_path / "transfer", out, Digits(), ExportSettings(seconds=0.0), targets)
    mine, other = (manifest["targets"][target.name]["precisions"] for target in targets)
    assert list(mine) == [*OpenvinoTarget().files] and mine["fp32"]["file"] == other["fp32"]["file"]
    assert mine["fp32"]["max_logit_difference"] < SHIFT / 5, "each by its own runtime"
    assert other["fp32"]["max_logit_difference"] == pytest.approx(SHIFT, rel=0.2)
    card = (out / "MODEL_CARD.md").read_text()
    assert "pip install openvino numpy pillow" in card and f"{PRECISION}=f32" in card
    digit_files(tmp_path / "images", 10)
    paths = sorted((tmp_path / "images").iterdir())
    command = [sys.executable, str(out / "predict.py"), *map(str, paths)]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    pixels = np.stack([np.asarray(Image.open(path), np.float32)[None] for path in paths]) / 255
    how = manifest["preprocessing"]
    logits = OpenvinoTarget().runner(out / manifest["recommended"])(
        (pixels - how["mean"][0]) / np.float32(how["std"][0])
    )
    likeliest = np.exp(logits - logits.max(1, keepdims=True)).max(1) / np.exp(
        logits - logits.max(1, keepdims=True)
    ).sum(1)
    told = [line.split("  ")[1].split() for line in ran.stdout.splitlines()]
    assert [label for label, _ in told] == [str(label) for label in logits.argmax(1)]
    np.testing.assert_allclose([float(share) for _, share in told], likeliest, atol=1.1e-4)


def test_what_cannot_be_is_told_in_one_line(folder: Path, tmp_path: Path, monkeypatch) -> None:
    cores = usable_cores()
    with pytest.raises(UserError, match=rf"threads={cores + 1}.*{cores}"):
        OpenvinoTarget(threads=cores + 1)
    with pytest.raises(UserError, match=r"streams=2.*1"):
        OpenvinoTarget(streams=2)
    with pytest.raises(UserError, match=r"precision of target openvino 'int4'; nearest is 'int8'"):
        OpenvinoTarget(precision="int4")
    path = tmp_path / "model.onnx"
    path.write_bytes((folder / "model.onnx").read_bytes()[:1000])
    with pytest.raises(UserError, match=f"{path}: not an ONNX model, or cut short"):
        OpenvinoTarget().runner(path)
    with pytest.raises(UserError, match=r"OpenVINO \d.* cannot run the model \(.*\)$"):
        OpenvinoSession((folder / "model.onnx").read_bytes(), {PRECISION: "f64"})
    monkeypatch.setattr(processor, "processor_facts", lambda _: {"model name": "Old", "flags": "avx2 avx512f bf16"})
    assert list(OpenvinoTarget().files) == ["fp32", "int8"]
    with pytest.raises(
        UserError, match="precision='bf16', but .* has no instructions for it .*; expected fp32 or int8"
    ):
        OpenvinoTarget(precision="bf16")
    monkeypatch.setattr(openvino_session, "PACKAGE", "absent_openvino")
    with pytest.raises(UserError, match=r"target openvino: absent_openvino is not installed; pip install 'nastk\["):
        OpenvinoTarget().check()
    assert build(load_yaml(shipped("conf") / "target" / "openvino.yaml"), "target") == OpenvinoTarget()


def test_a_session_that_is_still_open_at_the_end_ends_with_the_process(folder: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from nastk.deploy.targets import OpenvinoTarget\n"
        "target = OpenvinoTarget(); run = [target.runner(Path(path)) for path in sys.argv[1:]]\n"
    )
    paths = [str(folder / file) for file in OpenvinoTarget().files.values()]
    ran = subprocess.run([sys.executable, "-c", script, *paths], capture_output=True, text=True, check=True)
    assert (ran.stdout, ran.stderr) == ("", "")


def test_facts_are_json(folder: Path) -> None:
    facts = OpenvinoTarget().facts(folder)
    assert json.loads(json.dumps(facts)) == facts and facts["int8"]["summary"] == "4 of 4 convolutions in int8"
