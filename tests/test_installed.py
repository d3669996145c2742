"""The entry points work from a checkout, from an editable install, and from a wheel in another folder."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

from nastk.version import __version__

ROOT = Path(__file__).resolve().parent.parent
PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check", "-q")
DESCRIBE = ("-m", "nastk.describe", "network=nasnet_a_cifar", "format=json", "layers=none", "measure=false")
SEARCH = (
    *("-m", "nastk.search", "+space=nasnet", "space.blocks=1", "trials=1", "run=small"),
    *("evaluator.epochs=1", "data.subset=200", "evaluator.network.filters=4"),
)


def _searches(python: list[str], folder: Path, environment: dict[str, str]) -> None:
    """Runs a search there, which needs conf/ and search_spaces/."""
    outcome = subprocess.run(
        [*python, *SEARCH], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert outcome.returncode == 0, outcome.stderr
    assert "1 candidates trained" in outcome.stdout


def _describes(python: list[str], folder: Path, environment: dict[str, str]) -> None:
    """Runs a description there."""
    told = subprocess.run([*python, *DESCRIBE], cwd=folder, env=environment, capture_output=True, text=True, check=True)
    assert round(json.loads(told.stdout)["params"] / 1e6, 1) == 3.3


@pytest.fixture
def bare(tmp_path: Path) -> dict[str, str]:
    """An environment without nastk: the site-packages of this one with no editable finder."""
    site = tmp_path / "site"
    site.mkdir()
    import torch

    packages = Path(torch.__file__).parent.parent
    for entry in packages.iterdir():
        if "nastk" not in entry.name and entry.suffix != ".pth":
            (site / entry.name).symlink_to(entry)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return {**environment, "PYTHONPATH": str(site), "PYTHONDONTWRITEBYTECODE": "1"}


def test_from_a_checkout_without_installing(tmp_path: Path, bare: dict[str, str]) -> None:
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    for name in ("nastk", "conf", "search_spaces"):
        shutil.copytree(ROOT / name, checkout / name, ignore=shutil.ignore_patterns("__pycache__"))
    _searches([sys.executable, "-S"], checkout, bare)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout."""
    wheels = tmp_path_factory.mktemp("wheels")
    build = [*PIP, "wheel", "--no-deps", "--no-build-isolation", "-w", wheels, ROOT]
    subprocess.run(build, check=True, capture_output=True)
    (found,) = wheels.glob("nastk-*.whl")
    return found


def test_the_wheel_has_the_package_and_its_settings_and_nothing_else(wheel: Path) -> None:
    assert wheel.name == f"nastk-{__version__}-py3-none-any.whl"
    with zipfile.ZipFile(wheel) as file:
        names = {name for name in file.namelist() if ".dist-info/" not in name}
        (metadata,) = (file.read(name).decode() for name in file.namelist() if name.endswith("/METADATA"))
    expected = {str(path.relative_to(ROOT)) for path in _kept("nastk")}
    expected |= {
        f"nastk/shipped/{path.relative_to(ROOT)}" for folder in ("conf", "search_spaces") for path in _kept(folder)
    }
    assert names == expected
    assert not any("test" in Path(name).parts or Path(name).name.startswith(("test_", "conftest")) for name in names)
    assert f"\nVersion: {__version__}\n" in metadata


def _kept(folder: str) -> list[Path]:
    return [path for path in (ROOT / folder).rglob("*") if path.is_file() and "__pycache__" not in path.parts]


def test_from_a_wheel_in_another_folder(tmp_path: Path, bare: dict[str, str], wheel: Path) -> None:
    place = Path(bare["PYTHONPATH"])
    subprocess.run([*PIP, "install", "--no-deps", "--target", place, wheel], check=True, capture_output=True)
    assert (place / "nastk" / "shipped" / "conf" / "search.yaml").is_file()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    script = [sys.executable, "-S", place / "bin" / "nastk", "--version"]
    told = subprocess.run(script, cwd=elsewhere, env=bare, capture_output=True, text=True, check=True)
    assert told.stdout.startswith("nastk ")
    _searches([sys.executable, "-S"], elsewhere, bare)
    _describes([sys.executable, "-S"], elsewhere, bare)


@pytest.mark.slow  # tests/deploy/export/test_standalone.py starts a command of one in another folder
def test_from_an_editable_install_in_another_folder(tmp_path: Path) -> None:
    import importlib.metadata

    origin = importlib.metadata.distribution("nastk").read_text("direct_url.json")
    if origin is None or '"editable": true' not in origin:
        pytest.skip("nastk is not installed as editable here; scripts/test installs it so")
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    _searches([sys.executable], tmp_path, environment)
    _describes([sys.executable], tmp_path, environment)


@pytest.mark.slow  # installs torch and the rest from the package index, minutes
def test_into_an_empty_environment(tmp_path: Path, wheel: Path) -> None:
    """`pip install` of the wheel, with what it asks for, is all that the whole job needs."""
    venv.create(tmp_path / "empty", with_pip=True)
    programs = tmp_path / "empty" / "bin"
    constraints = ROOT / "constraints.txt"
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}

    def ran(*command: object) -> str:
        outcome = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        assert outcome.returncode == 0, outcome.stderr
        return outcome.stdout

    ran(programs / "python", "-m", "pip", "install", "-q", "--constraint", constraints, wheel)
    packages = json.loads(ran(programs / "python", "-m", "pip", "list", "--format", "json"))
    assert {"pytest", "ray", "mkdocs"}.isdisjoint({package["name"] for package in packages})
    assert f"nastk {__version__}" in ran(programs / "nastk", "doctor")
    quick = ("trials=1", "evaluator.epochs=1", "training.epochs=1", "transfer.entrants=1", "baselines=[]")
    told = ran(programs / "nastk", "images=digits", "max_latency_ms=1", "run=all", *quick)
    assert "Ship: " in told and (tmp_path / "runs" / "all" / "report.html").is_file()
    (export,) = (tmp_path / "runs" / "all" / "export").iterdir()
    assert {"model.onnx", "model.int8.onnx", "predict.py"} <= {path.name for path in export.iterdir()}
    ran(programs / "python", "-c", "import nastk; print(nastk.Run('all').best)")
