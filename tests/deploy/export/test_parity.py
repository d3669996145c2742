"""One network in every runtime that is installed: all name the classes that torch names."""

import signal
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from nastk.data.sources import Digits
from nastk.deploy.emittable import emittable
from nastk.deploy.images import normalised
from nastk.deploy.runtimes.session import open_session, predict
from nastk.deploy.targets import (
    ArmTarget,
    CpuTarget,
    CudaTarget,
    ExecutorchTarget,
    LitertTarget,
    Target,
    TensorrtTarget,
)
from nastk.errors import UserError
from nastk.networks import NetworkConfig
from nastk.processor import processor_facts
from scripts.benchmarks.openvino_reader import OpenVinoReader
from scripts.benchmarks.runtime_agreement import READERS, Agreement, compare
from tests.deploy.digits import MEAN, STD
from tests.deploy.networks import network

COUNT, FEW = 120, 20


@pytest.fixture(scope="module")
def answers(tmp_path_factory) -> list[Agreement]:
    """Of every runtime for which both the writer and the reader are installed."""
    folder: Path = tmp_path_factory.mktemp("parity")
    targets = [target for target in (CpuTarget(), ExecutorchTarget(), LitertTarget()) if _writes(target)]
    learnt, train, test = _network(), Digits().train(), Digits().test()
    calibration = normalised(train.x[:64], [MEAN], [STD])
    source = emittable(learnt, NetworkConfig(channels=1, size=8), "abc", calibration)
    for target in targets:
        target.emit(source, folder)
    images, labels = normalised(test.x[:COUNT], [MEAN], [STD]), test.y[:COUNT].numpy()
    return compare(learnt, folder, targets, images, labels, FEW)


def _network() -> nn.Module:
    """Learns the digits in a second; small, for ExecuTorch takes long to write large ones."""
    torch.manual_seed(0)
    learning = nn.Sequential(
        *(nn.Conv2d(1, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU()),
        *(nn.Conv2d(16, 16, 3, padding=1, groups=16, bias=False), nn.Conv2d(16, 32, 1), nn.BatchNorm2d(32), nn.ReLU()),
        *(nn.AvgPool2d(3, 2, 1, count_include_pad=False), nn.Conv2d(32, 32, 3, padding=1), nn.ReLU()),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 10)),
    )
    images = Digits().train()
    x = torch.from_numpy(normalised(images.x, [MEAN], [STD]))
    optimizer = torch.optim.Adam(learning.parameters(), 1e-2)
    for _ in range(5):
        for batch in torch.randperm(len(x)).split(64):
            optimizer.zero_grad()
            F.cross_entropy(learning(x[batch]), images.y[batch]).backward()
            optimizer.step()
    return learning.eval()


def _writes(target: Target) -> bool:
    try:
        target.check()
    except UserError:
        return False
    return True


@pytest.mark.parametrize("runtime", ["cpu", "executorch", "litert", *READERS])
def test_float_files_compute_what_torch_computes_and_int8_files_name_the_same_classes(
    answers: list[Agreement], runtime: str
) -> None:
    needed = {"executorch": "executorch", "litert": "ai_edge_litert", **{name: READERS[name][0] for name in READERS}}
    if runtime in needed:
        pytest.importorskip(needed[runtime])
    mine = {answer.file: answer for answer in answers if answer.runtime == runtime}
    assert {answer.precision for answer in mine.values()} == {"fp32", "int8"}
    for answer in mine.values():
        assert answer.images == (FEW if runtime == "ONNX reference evaluator" else COUNT)
        if answer.precision == "fp32":
            assert answer.agreement == 1
            assert answer.max_difference < 1e-4 * answer.range
        else:
            assert answer.agreement >= 0.95
            assert 0 < answer.max_difference < 0.25 * answer.range


def test_torch_is_what_all_are_compared_with_and_has_learnt_something(answers: list[Agreement]) -> None:
    assert answers[0].runtime == "torch"
    assert (answers[0].agreement, answers[0].max_difference) == (1, 0)
    assert answers[0].accuracy > 0.8
    assert np.isfinite([answer.max_difference for answer in answers]).all()


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("space", ["nasnet", "darts"])
def test_int8_files_of_cells_say_the_same_to_all_readers(space: str, reader: str, tmp_path: Path) -> None:
    """With reductions, pooling and concatenations; against ONNX Runtime, a few roundings apart."""
    module, read = READERS[reader]
    pytest.importorskip(module)
    config = NetworkConfig(cells=1, filters=4, size=8)
    images = np.random.default_rng(0).standard_normal((8, 3, 8, 8), dtype=np.float32)
    target = CpuTarget()
    target.emit(emittable(network(space, cells=1, filters=4, size=8), config, "abc", images), tmp_path)
    for precision, tolerance in (("fp32", 1e-4), ("int8", 0.1)):
        path = tmp_path / target.files[precision]
        expected = target.runner(path)(images)
        assert np.abs(read(path)(images) - expected).max() < tolerance * np.abs(expected).max()


# Each differs from ONNX Runtime by float16 and int8 kernels of its own; TensorRT's graphs have no pairs around sums.
TOLERANCE = {"fp32": 0.02, "fp16": 0.02, "int8": 0.1, "engine": 0.4}


@pytest.mark.parametrize("space", ["nasnet", "darts", "nasbench201"])
def test_openvino_as_it_comes_reads_and_runs_every_onnx_file_that_is_shipped(space: str, tmp_path: Path) -> None:
    pytest.importorskip("openvino")
    config = NetworkConfig(cells=1, filters=8, size=15)
    images = np.random.default_rng(0).standard_normal((8, 3, 15, 15), dtype=np.float32)
    source = emittable(network(space, cells=1, filters=8, size=15), config, "abc", images)
    vnni = "vnni" in processor_facts().get("flags", "")
    read: set[bytes] = set()
    for target in (CpuTarget(), ArmTarget(), CudaTarget(), TensorrtTarget()):
        folder = tmp_path / target.name
        folder.mkdir()
        target.emit(source, folder)
        for path in sorted(folder.glob("*.onnx")):
            if path.read_bytes() in read:
                continue
            read.add(path.read_bytes())
            expected = predict(open_session(path.read_bytes(), signed=target.name == "arm"), images)
            kind = "engine" if target.name == "tensorrt" and "int8" in path.name else precision_of(path)
            overflows = "int8" in path.name and target.name != "cpu" and not vnni
            found = OpenVinoReader(path, exact=overflows)(images)
            assert np.abs(found - expected).max() < TOLERANCE[kind] * np.abs(expected).max(), path.name


def precision_of(path: Path) -> str:
    return next((kind for kind in ("fp16", "int8") if kind in path.name), "fp32")


def test_a_process_that_read_with_openvino_still_takes_signals(tmp_path: Path) -> None:
    pytest.importorskip("openvino")
    config, images = NetworkConfig(cells=1, filters=4, size=8), np.zeros((8, 3, 8, 8), dtype=np.float32)
    target = CpuTarget()
    target.emit(emittable(network("nasnet", cells=1, filters=4, size=8), config, "abc", images), tmp_path)
    first, second = (OpenVinoReader(tmp_path / file) for file in target.files.values())
    assert first(images).shape == second(images).shape == (8, 10)
    del first
    del second
    taken: list[int] = []
    before = signal.signal(signal.SIGUSR1, lambda number, _: taken.append(number))
    try:
        signal.raise_signal(signal.SIGUSR1)
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert taken == [signal.SIGUSR1]
