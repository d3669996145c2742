"""Without TensorRT and GPU: the graphs, the script and one line of what is missing. With them: engines."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import onnx
import pytest

from nastk.deploy.emittable import Emittable, emittable
from nastk.deploy.export.export import export_model
from nastk.deploy.export.export_settings import ExportSettings
from nastk.deploy.targets import CudaTarget, TensorrtTarget
from nastk.deploy.targets.tensorrt import missing_tensorrt
from nastk.errors import UserError
from nastk.networks import NetworkConfig, build_network
from nastk.networks.stored import save_trained
from tests.deploy.networks import genotype, images, network
from tests.deploy.source import Source

CONFIG = NetworkConfig(cells=1, filters=8, size=16)
on_gpu = pytest.mark.skipif(missing_tensorrt() is not None, reason=str(missing_tensorrt()))
without_gpu = pytest.mark.skipif(missing_tensorrt() is None, reason="TensorRT and a GPU are here")


@pytest.fixture(scope="module")
def source() -> Emittable:
    return emittable(network("darts"), CONFIG, "abc", images(32, 3, 16, 16).numpy())


@pytest.fixture(scope="module")
def written(source: Emittable, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tensorrt")
    TensorrtTarget(max_batch=8).emit(source, folder)
    return folder


def test_writes_a_graph_a_precision_that_answers_like_the_network(source: Emittable, written: Path) -> None:
    target = TensorrtTarget()
    assert {path.name for path in written.iterdir()} == {*target.files.values(), *target.extras}
    pixels = images(64, 3, 16, 16, seed=1).numpy()
    logits = {name: target.runner(written / file)(pixels) for name, file in target.files.items()}
    greatest = np.abs(logits["fp32"]).max()
    assert np.abs(logits["fp16"] - logits["fp32"]).max() < 0.01 * greatest
    assert 0 < np.abs(logits["int8"] - logits["fp32"]).max() < 0.3 * greatest


def test_every_convolution_of_the_int8_graph_reads_symmetric_int8(written: Path) -> None:
    model = onnx.load(written / "model.tensorrt.int8.onnx")
    constants = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "QuantizeLinear":
            zero = constants[node.input[2]]
            assert zero.dtype == np.int8 and not zero.any()
    int8 = TensorrtTarget().facts(written)["int8"]
    assert int8["in_int8"] == int8["convolutions"] > 20


def script(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = ["sh", folder / "build_engine.sh", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_the_script_gives_trtexec_the_profile_and_the_types(written: Path) -> None:
    run = script(written, TRTEXEC="/bin/echo")
    lines = run.stdout.splitlines()
    assert (run.returncode, len(lines)) == (0, 3)
    assert lines[1].split() == [
        "--onnx=model.tensorrt.fp16.onnx",
        "--saveEngine=model.tensorrt.fp16.engine",
        "--stronglyTyped",
        "--noTF32",
        "--minShapes=image:1x3x16x16",
        "--optShapes=image:1x3x16x16",
        "--maxShapes=image:8x3x16x16",
        "--timingCacheFile=tensorrt.timing",
        "--skipInference",
    ]
    assert script(written, "int8", TRTEXEC="/bin/echo").stdout.splitlines() == [lines[2]]


def test_the_script_says_what_it_needs_and_what_there_is(written: Path) -> None:
    absent = script(written, TRTEXEC="/none/trtexec")
    assert absent.returncode == 1 and absent.stderr.startswith("/none/trtexec: not found; install TensorRT")
    unknown = script(written, "int4", TRTEXEC="/bin/echo")
    assert (unknown.returncode, unknown.stderr) == (2, "unknown precision 'int4'; there are: fp32, fp16, int8\n")


def test_portable_engines_by_config(source: Emittable, tmp_path: Path) -> None:
    TensorrtTarget(min_batch=2, batch=4, max_batch=8, hardware="ampere_plus", version_compatible=True).emit(
        source, tmp_path
    )
    lines = (tmp_path / "build_engine.sh").read_text()
    for argument in (
        "--hardwareCompatibilityLevel=ampere+",
        "--versionCompatible",
        "--minShapes=image:2x3x16x16",
        "--optShapes=image:4x3x16x16",
    ):
        assert lines.count(argument) == 3


def test_an_export_holds_the_graphs_and_the_script_and_is_kept(tmp_path: Path) -> None:
    folder = tmp_path / "transfer"
    folder.mkdir()
    config = NetworkConfig(cells=1, filters=4, classes=2, channels=1, size=8)
    facts = {"normalisation": {"mean": [0.5], "std": [0.25]}, "classes": ["0", "1"], "data": {"name": "made"}}
    save_trained(folder, build_network(genotype(seed=4), config).eval(), config, genotype(seed=4), facts)
    targets = TensorrtTarget(max_batch=8), CudaTarget()
    settings = ExportSettings(calibration=16, seconds=0.0)
    manifest = export_model(folder, tmp_path / "out", Source(), settings, targets)
    files = {name for target in targets for name in (*target.files.values(), *target.extras)}
    assert files < manifest["files"].keys()
    for precision in ("fp32", "fp16"):
        assert manifest["targets"]["cuda"]["precisions"][precision]["agreement"] > 0.95
    made = (tmp_path / "out" / "manifest.json").stat().st_mtime_ns
    export_model(folder, tmp_path / "out", Source(), settings, targets)
    assert (tmp_path / "out" / "manifest.json").stat().st_mtime_ns == made


@without_gpu
def test_says_in_one_line_what_is_missing_and_what_answered(written: Path) -> None:
    target = TensorrtTarget()
    reason = target.cannot_time()
    assert reason is not None and "\n" not in reason and ("not installed" in reason or "GPU" in reason)
    assert target.cannot_run() is None
    assert target.facts(written)["run_by"].startswith("ONNX Runtime on the CPU")
    with pytest.raises(UserError, match="target tensorrt: cannot measure here: "):
        target.cost(genotype(), CONFIG)
    with pytest.raises(UserError, match="target tensorrt: cannot measure here: "):
        target.measure([written / "model.onnx"])


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"batch": 65}, "target: batch=65, expected a whole number from 1 to 64"),
        ({"min_batch": 4}, "target: batch=1, expected a whole number from 4 to 64"),
        ({"max_batch": 0}, "target: max_batch=0, expected a whole number from 1 to 1048576"),
        (
            {"precision": "bf16"},
            "unknown precision of target tensorrt 'bf16'; nearest is 'fp16', there are: fp16",
        ),
        ({"hardware": "ampere"}, "unknown hardware of target tensorrt 'ampere'; nearest is 'ampere_plus'"),
        ({"seconds": 0}, "target: seconds=0, expected a number above 0, at most 60"),
    ],
)
def test_settings_that_cannot_be(settings: dict, message: str) -> None:
    with pytest.raises(UserError) as error:
        TensorrtTarget(**settings)
    assert str(error.value).startswith(message)


@on_gpu
def test_engines_answer_like_onnx_runtime_and_are_timed(written: Path) -> None:
    target = TensorrtTarget(max_batch=8)
    pixels = images(21, 3, 16, 16, seed=1).numpy()
    from nastk.deploy.runtimes.session import open_session, predict

    for precision, file in target.files.items():
        expected = predict(open_session((written / file).read_bytes(), threads=0), pixels)
        allowed = (1e-3 if precision == "fp32" else 0.05) * np.abs(expected).max()
        assert np.abs(target.runner(written / file)(pixels) - expected).max() < allowed
    for graph in (False, True):
        paths = [written / file for file in target.files.values()]
        for latency in target.measure_launched(paths, runs=200, seconds=0.1, cuda_graph=graph):
            assert 0 < latency.min_ms <= latency.p50_ms
    assert target.cost(genotype(), CONFIG)["latency_ms"] > 0
