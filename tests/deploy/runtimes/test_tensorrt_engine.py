"""Our use of TensorRT's API against the signatures of its Python bindings, 10 and 11, by the type checker.

The stubs are what scripts/tensorrt_stubs.py reads out of the bindings that PyPI carries; it can be run again.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from nastk.deploy.targets.tensorrt import missing_tensorrt

ROOT = Path(__file__).resolve().parents[3]
STUBS = Path(__file__).parents[1] / "tensorrt_stubs"
ENGINE = ROOT / "nastk" / "deploy" / "runtimes" / "tensorrt_engine.py"
OPTIONS = ["--config-file=", "--no-incremental", "--no-site-packages", "--follow-imports=skip", "--check-untyped-defs"]


def complaints(path: Path, version: str, folder: Path) -> list[str]:
    assert path.is_file(), path
    environment = {**os.environ, "MYPYPATH": str(STUBS / version)}
    command = [sys.executable, "-m", "mypy", *OPTIONS, "--ignore-missing-imports", str(path)]
    run = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, check=False)
    return [line for line in run.stdout.splitlines() if ": error:" in line]


@pytest.mark.parametrize("version", ["v10", "v11"])
def test_the_bindings_take_what_we_give_them(version: str, tmp_path: Path) -> None:
    assert complaints(ENGINE, version, tmp_path) == []


@pytest.mark.parametrize(
    "ours, wrong, versions",
    [
        ("trt.BuilderFlag.TF32", "trt.BuilderFlag.FP16", {"v11"}),
        ("execute_async_v3(", "execute_async_v2(", {"v10", "v11"}),
        ("set_shape(INPUT, least, tuned, most)", "set_shape(INPUT, least, tuned)", {"v10", "v11"}),
    ],
)
def test_what_they_do_not_take_is_found(ours: str, wrong: str, versions: set[str], tmp_path: Path) -> None:
    changed = tmp_path / "changed.py"
    text = ENGINE.read_text()
    assert ours in text
    changed.write_text(text.replace(ours, wrong))
    assert {version for version in ("v10", "v11") if complaints(changed, version, tmp_path)} == versions


@pytest.mark.skipif(missing_tensorrt() is not None, reason=str(missing_tensorrt()))
def test_an_engine_refuses_a_batch_beyond_its_profile() -> None:
    from nastk.deploy.onnx.writer import onnx_model, serialise
    from nastk.deploy.runtimes.engine_file import EngineSettings
    from nastk.deploy.runtimes.tensorrt_engine import Engine, build_engine
    from nastk.errors import UserError
    from tests.deploy.networks import small

    model = serialise(onnx_model(small(), (1, 3, 16, 16)))
    engine = Engine(build_engine(model, (3, 16, 16), EngineSettings((1, 2, 4), "same", False), None), host_code=False)
    with pytest.raises(UserError, match="batch=5, it takes 1 to 4 images"):
        engine.launcher(5)
    with pytest.raises(UserError, match="TensorRT .* cannot load the engine"):
        Engine(b"no engine", host_code=False)
