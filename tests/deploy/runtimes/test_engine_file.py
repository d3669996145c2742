"""An engine is code: only those of an export are loaded, unchanged, on the GPU that they were built for."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nastk.deploy.manifest import sha256
from nastk.deploy.runtimes.engine_file import EngineSettings, all_run, built_here, engine_record, fits, trusted_engine
from nastk.deploy.runtimes.gpu import Gpu
from nastk.errors import UserError

H100, H200, T4 = Gpu("NVIDIA H100", "9.0"), Gpu("NVIDIA H200", "9.0"), Gpu("Tesla T4", "7.5")
A100 = Gpu("NVIDIA A100", "8.0")
BUILT_BY = "11.4.0"
NAME = "model.tensorrt.fp16.engine"


def export(folder: Path, hardware: str = "same", built_on: Gpu = H100, version_compatible: bool = False) -> Path:
    """Returns the engine of an export's folder."""
    engine = folder / NAME
    engine.write_bytes(f"{folder} {hardware}".encode())
    record = engine_record(EngineSettings((1, 1, 8), hardware, version_compatible), built_on, BUILT_BY)
    manifest = {
        "schema": 1,
        "key": "abc",
        "files": {NAME: {"sha256": sha256(engine), "size_bytes": engine.stat().st_size}},
        "source": {},
        "preprocessing": {},
        "classes": [],
        "precisions": {},
        "recommended": NAME,
        "warnings": [],
        "targets": {"tensorrt": {"engines": {NAME: record}}},
    }
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return engine


def test_an_engine_of_an_export_is_loaded_on_the_gpu_that_it_was_built_for(tmp_path: Path) -> None:
    engine = export(tmp_path)
    assert trusted_engine(engine, H100, BUILT_BY) == (engine.read_bytes(), False)


def test_code_for_the_cpu_is_allowed_where_the_manifest_says_that_it_was_asked_for(tmp_path: Path) -> None:
    assert trusted_engine(export(tmp_path, version_compatible=True), H100, BUILT_BY)[1]


@pytest.mark.parametrize("gpu", [T4, H200])
def test_an_engine_built_for_another_gpu_is_refused(tmp_path: Path, gpu: Gpu) -> None:
    with pytest.raises(UserError) as error:
        trusted_engine(export(tmp_path), gpu, BUILT_BY)
    assert str(error.value) == (
        f"{tmp_path / NAME}: built for NVIDIA H100 (compute capability 9.0), this machine has {gpu}; "
        "export again here, or build_engine.sh"
    )


@pytest.mark.parametrize(
    "hardware, built_on, runs_on",
    [
        ("same", H100, {H100}),
        ("compute_capability", H100, {H100, H200}),
        ("ampere_plus", A100, {A100, H100, H200}),
    ],
)
def test_portable_engines_run_where_they_were_made_to(hardware: str, built_on: Gpu, runs_on: set[Gpu]) -> None:
    record = engine_record(EngineSettings((1, 1, 8), hardware, False), built_on, BUILT_BY)
    assert {gpu for gpu in (H100, H200, T4, A100) if fits(record, gpu)} == runs_on


@pytest.mark.parametrize(
    ("tensorrt", "compatible", "runs"),
    [
        ("11.4.0", False, True),
        ("11.5.0", False, False),
        ("11.5.0", True, True),
        ("11.10.1", True, True),
        ("11.3.9", True, False),
        ("12.0.0", True, False),
    ],
)
def test_an_engine_of_another_version_is_refused_unless_it_was_made_for_later_ones(
    tmp_path: Path, tensorrt: str, compatible: bool, runs: bool
) -> None:
    engine = export(tmp_path, version_compatible=compatible)
    record = engine_record(EngineSettings((1, 1, 8), "same", compatible), H100, BUILT_BY)
    assert all_run({NAME: record}, H100, tensorrt) == runs and not all_run({NAME: record}, T4, tensorrt)
    if runs:
        assert trusted_engine(engine, H100, tensorrt)[0] == engine.read_bytes()
        return
    with pytest.raises(UserError) as error:
        trusted_engine(engine, H100, tensorrt)
    said = f"built by TensorRT 11.4.0, this machine has {tensorrt}; export again here, or build_engine.sh"
    assert str(error.value) == f"{engine}: {said}"


def test_a_changed_engine_is_refused(tmp_path: Path) -> None:
    engine = export(tmp_path)
    engine.write_bytes(b"x" * engine.stat().st_size)
    with pytest.raises(UserError, match="its SHA-256 is not the manifest's"):
        trusted_engine(engine, H100, BUILT_BY)


def test_an_engine_from_elsewhere_is_refused_until_this_process_has_built_it(tmp_path: Path) -> None:
    engine = export(tmp_path)
    other = tmp_path / "other.engine"
    other.write_bytes(b"from elsewhere")
    with pytest.raises(UserError, match="not in manifest.json; an engine is code"):
        trusted_engine(other, H100, BUILT_BY)
    (tmp_path / "manifest.json").unlink()
    with pytest.raises(UserError, match="no manifest.json beside it; an engine is code"):
        trusted_engine(engine, H100, BUILT_BY)
    built_here(b"from elsewhere")
    assert trusted_engine(other, T4, BUILT_BY) == (b"from elsewhere", True)


def test_a_manifest_that_does_not_say_for_what(tmp_path: Path) -> None:
    engine = export(tmp_path)
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    for targets in ([], {"tensorrt": {}}, {"tensorrt": {"engines": {NAME: 1}}}):
        (tmp_path / "manifest.json").write_text(json.dumps(manifest | {"targets": targets}))
        with pytest.raises(UserError, match="does not say what it was built for"):
            trusted_engine(engine, H100, BUILT_BY)
