"""Two real searches behind Optuna's proxy: one is killed with -9, the other takes its candidate over."""

from __future__ import annotations

import os
import warnings
from pathlib import Path

import pytest
from optuna.storages import BaseStorage, GrpcStorageProxy
from optuna.trial import TrialState

from tests.storages.drivers import Drivers, check_taken_over

pytest.importorskip("grpc")

pytestmark = pytest.mark.slow


def _training(storage: BaseStorage, name: str) -> list[int]:
    """Returns the numbers of the trials that a driver has claimed and has no result of."""
    try:
        study = storage.get_study_id_from_name("shared")
    except KeyError:
        return []
    open_ones = storage.get_all_trials(study, states=(TrialState.RUNNING,))
    noted = [(trial.number, trial.user_attrs) for trial in open_ones if trial.user_attrs.get("driver") == name]
    return [number for number, of in noted if {"claimed", "cost"} <= set(of) and "outcome" not in of]


def test_the_candidate_of_a_driver_that_is_killed_behind_the_proxy_is_taken_over(tmp_path: Path, proxy: int) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        storage = GrpcStorageProxy(host="localhost", port=proxy)
    environment = {name: value for name, value in os.environ.items() if name != "PGPASSWORD"}  # it knows no password
    drivers = Drivers(tmp_path / "runs", ("storage=grpc", f"storage.port={proxy}"), environment)
    check_taken_over(drivers, lambda name: _training(storage, name))
