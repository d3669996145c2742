"""A pipeline run that the tests of baselines and of what ships look at, made once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.commands import call

SEARCH = (
    *("+space=nasbench201", "trials=2", "evaluator.epochs=1", "data.subset=300", "controller=random"),
    *("evaluator.network.filters=4", "evaluator.threads=1", "target.seconds=0.05", "objective.max_params=40000"),
)
RECIPE = ("training.epochs=1", "training.threads=1", "training.batch=128")
QUICK = ("export.calibration=16", "export.seconds=0.01", "bench.seconds=0.05")
NAME, TOO_LARGE = "mobilenet_v2", "vgg16"


@pytest.fixture(scope="session")
def with_baseline(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a pipeline run with one baseline that fits and one that does not; to be copied, not changed."""
    folder = tmp_path_factory.mktemp("with_baseline") / "run"
    call("pipeline", f"run={folder}", *SEARCH, *RECIPE, *QUICK, f"baselines=[{NAME},{TOO_LARGE}]")
    return folder
