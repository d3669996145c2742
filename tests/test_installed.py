"""The entry points work from a checkout, from an editable install, and from a wheel in another folder."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
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


def test_from_a_wheel_in_another_folder(tmp_path: Path, bare: dict[str, str]) -> None:
    wheels = tmp_path / "wheels"
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q"]
    build = [*pip, "wheel", "--no-deps", "--no-build-isolation", "-w", wheels, ROOT]
    subprocess.run(build, check=True, capture_output=True)
    (wheel,) = wheels.glob("nastk-*.whl")
    place = Path(bare["PYTHONPATH"])
    subprocess.run([*pip, "install", "--no-deps", "--target", place, wheel], check=True, capture_output=True)
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
