"""An export with engines on another GPU, by a stand-in for TensorRT whose engines are ONNX files with a mark before."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest

from nastk.deploy.export.export import export_model
from nastk.deploy.export.export_settings import ExportSettings
from nastk.deploy.runtimes import engine_file
from nastk.deploy.runtimes.gpu import Gpu
from nastk.deploy.runtimes.latency import Latency
from nastk.deploy.runtimes.session import open_session, predict
from nastk.deploy.targets import TensorrtTarget, tensorrt
from nastk.networks import NetworkConfig, build_network
from nastk.networks.stored import save_trained
from tests.deploy.networks import genotype
from tests.deploy.source import Source

A10, RTX = Gpu("NVIDIA A10", "8.6"), Gpu("GeForce RTX 4090", "8.9")
MARK = b"E"


class Engine:
    def __init__(self, data: bytes) -> None:
        self.predict = partial(predict, open_session(data.removeprefix(MARK), exact=True))


class Machine:
    """What is in it."""

    def __init__(self) -> None:
        self.gpu, self.version, self.built = A10, "10.16.0", 0

    def other(self, gpu: Gpu = A10, version: str = "10.16.0") -> None:
        """Becomes another one, on which nothing was built."""
        self.gpu, self.version, self.built = gpu, version, 0
        engine_file._built_here.clear()


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    here = Machine()

    def build(target: TensorrtTarget, model: bytes, shape: tuple[int, int, int]) -> bytes:
        here.built += 1
        data = MARK + model
        engine_file.built_here(data)
        return data

    def latencies(target: TensorrtTarget, engines: list[Engine], *asked: Any) -> list[Latency]:
        return [Latency(1.0, 1.0, 1.0, 1.0, 201, 0.0, True, 1, 1) for _ in engines]

    monkeypatch.setattr(engine_file, "_built_here", set())
    monkeypatch.setattr(tensorrt, "missing_tensorrt", lambda: None)
    monkeypatch.setattr(tensorrt, "present_gpu", lambda: here.gpu)
    monkeypatch.setattr(tensorrt, "_version", lambda: here.version)
    monkeypatch.setattr(tensorrt, "_opened", lambda data, host_code: Engine(data))
    monkeypatch.setattr(TensorrtTarget, "_build", build)
    monkeypatch.setattr(TensorrtTarget, "_latencies", latencies)
    monkeypatch.setattr(TensorrtTarget, "timed_by", lambda target: {"tensorrt": here.version})
    return here


@pytest.mark.parametrize(
    ("fields", "gpu", "version", "anew"),
    [
        ({}, A10, "10.16.0", False),
        ({}, RTX, "10.16.0", True),
        ({}, A10, "10.17.0", True),
        ({"hardware": "ampere_plus"}, RTX, "10.16.0", False),
        ({"version_compatible": True}, A10, "10.17.0", False),
    ],
)
def test_an_export_is_made_anew_where_its_engines_do_not_run(
    machine: Machine, tmp_path: Path, fields: dict[str, Any], gpu: Gpu, version: str, anew: bool
) -> None:
    (tmp_path / "transfer").mkdir()
    config = NetworkConfig(cells=1, filters=4, classes=2, channels=1, size=8)
    facts = {"normalisation": {"mean": [0.5], "std": [0.25]}, "classes": ["0", "1"], "data": {"name": "made"}}
    save_trained(tmp_path / "transfer", build_network(genotype(seed=4), config).eval(), config, genotype(seed=4), facts)
    given = (tmp_path / "transfer", tmp_path / "out", Source(), ExportSettings(calibration=16, seconds=0.0))
    export_model(*given, [TensorrtTarget(**fields)])
    assert machine.built == 3
    machine.other(gpu, version)
    for _ in range(2):
        manifest = export_model(*given, [TensorrtTarget(**fields)])
        assert machine.built == (3 if anew else 0), "and kept from then on"
    engines = manifest["targets"]["tensorrt"]["engines"].values()
    assert {one["gpu"] for one in engines} == {gpu.name if anew else A10.name}
