"""Import rules: who may import whom, and what a light import must not load."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
HEAVY = ("torch", "pytorch_lightning", "lightning", "onnx", "onnxruntime", "matplotlib", "optuna", "sklearn")


@pytest.mark.slow  # .ci/run runs it beside the tests
def test_the_import_rules_of_pyproject_hold() -> None:
    lint = Path(sys.executable).parent / "lint-imports"
    outcome = subprocess.run([lint], cwd=ROOT, capture_output=True, text=True, check=False)
    assert outcome.returncode == 0, outcome.stdout
    assert "0 broken" in outcome.stdout


@pytest.mark.parametrize(
    ("modules", "allowed"),
    [
        (
            (
                *("nastk.genotype", "nastk.spaces", "nastk.objective", "nastk.search", "nastk.pipeline"),
                *("nastk.__main__", "nastk.wish", "nastk.jobs.doctor", "nastk.predict"),
            ),
            (),
        ),
        (("nastk.jobs.predict", "nastk.api.loaded"), ("onnxruntime",)),
        (("nastk.ops", "nastk.networks"), ("torch",)),
    ],
    ids=["nothing", "onnxruntime", "torch"],
)
def test_light_modules_load_nothing_heavy(modules: tuple[str, ...], allowed: tuple[str, ...]) -> None:
    code = f"import sys, {', '.join(modules)}; print(' '.join(name for name in {HEAVY!r} if name in sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert set(loaded.split()) <= set(allowed)
