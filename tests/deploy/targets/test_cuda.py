"""Without a GPU: both files, and one line of what is missing. With one: it answers and times."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nastk.deploy.emittable import emittable
from nastk.deploy.runtimes.gpu_session import missing_runtime
from nastk.deploy.targets.cuda import CudaTarget
from nastk.errors import UserError
from nastk.networks import NetworkConfig
from tests.deploy.networks import genotype, images, network

CONFIG = NetworkConfig(cells=1, filters=8, size=16)
on_gpu = pytest.mark.skipif(missing_runtime() is not None, reason=str(missing_runtime()))
without_gpu = pytest.mark.skipif(missing_runtime() is None, reason="a GPU is here")


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cuda")
    CudaTarget().emit(emittable(network("darts"), CONFIG, "abc", images(32, 3, 16, 16).numpy()), folder)
    return folder


def test_writes_both_precisions_and_they_agree(written: Path) -> None:
    target = CudaTarget()
    assert {path.name for path in written.iterdir()} == set(target.files.values()) == {"model.onnx", "model.fp16.onnx"}
    pixels = images(64, 3, 16, 16, seed=1).numpy()
    full, half = (target.runner(written / file)(pixels) for file in target.files.values())
    assert 0 < np.abs(full - half).max() < 0.01 * np.abs(full).max()


def test_an_operator_that_onnx_runtime_lacks_is_named_before_a_file_is_written(tmp_path: Path) -> None:
    source = emittable(network("darts"), CONFIG, "abc", images(2, 3, 16, 16).numpy())
    next(node for node in source.model.graph.node if node.op_type == "Relu").op_type = "Relief"
    with pytest.raises(UserError, match=r"target cuda: Relief node '.*' \(cell .*: it has no operator Relief"):
        CudaTarget().emit(source, tmp_path)
    assert not list(tmp_path.iterdir())


@without_gpu
def test_says_in_one_line_what_is_missing(written: Path) -> None:
    target = CudaTarget()
    reason = target.cannot_time()
    assert reason is not None and "\n" not in reason and "GPU" in reason
    assert target.facts(written)["gpu"] is None and target.facts(written)["run_by"].startswith(
        "ONNX Runtime on the CPU"
    )
    with pytest.raises(UserError, match="target cuda: cannot measure here: no NVIDIA GPU"):
        target.cost(genotype(), CONFIG)
    with pytest.raises(UserError, match="target cuda: cannot measure here: no NVIDIA GPU"):
        target.measure([written / "model.onnx"])


def test_has_no_int8() -> None:
    with pytest.raises(UserError) as error:
        CudaTarget(precision="int8")
    assert str(error.value) == "unknown precision of target cuda 'int8'; nearest is 'fp16', there are: fp16, fp32"


@on_gpu
def test_times_on_the_gpu(written: Path) -> None:
    target = CudaTarget()
    measured = target.measure([written / file for file in target.files.values()], seconds=0.1)
    assert all(0 < latency.min_ms <= latency.p50_ms for latency in measured)
    assert target.cost(genotype(), CONFIG)["latency_ms"] > 0
