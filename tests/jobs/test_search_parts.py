"""The parts of a search: built once, checked before anything is written, and left as they were by the check."""

from __future__ import annotations

import hydra
import pytest
from omegaconf import DictConfig
from optuna.samplers import RandomSampler
from optuna.storages import InMemoryStorage

from nastk.config.build import register_spaces, shipped
from nastk.deploy.targets.quickest import Quickest
from nastk.errors import UserError
from nastk.jobs.at_budget import brought_to_budget
from nastk.jobs.search_parts import search_parts
from nastk.study.study import SearchStudy


def _composed(*overrides: str) -> DictConfig:
    register_spaces()
    with hydra.initialize_config_dir(str(shipped("conf")), version_base="1.3"):
        return hydra.compose("search", ["+space=nasbench201", *overrides])


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        (("space=mobile", "objective.max_latency_ms=1"), "best"),
        (("space=mobile", "controller=pareto_evolution", "objective=pareto", "objective.max_latency_ms=1"), "best"),
        (("space=mobile", "objective.max_latency_ms=1", "target=arm"), "best"),
        (("space=mobile", "objective.max_latency_ms=1", "objective.precision=fp32"), "fp32"),
        (("space=mobile", "objective.max_latency_ms=1", "objective=int8"), "int8"),
        (("space=mobile", "objective.max_latency_ms=1", "target.precision=int8"), None),
        (("space=mobile", "objective.max_latency_ms=1", "at_budget=false"), None),
        (("space=mobile", "objective.max_latency_ms=1", "target=executorch"), None),
        (("space=mobile", "objective.max_latency_ms=1", "target=cuda"), None),
        (("space=mobile", "objective.max_params=1e5"), None),
        (("space=nasnet", "objective.max_latency_ms=1"), None),
    ],
)
def test_candidates_are_measured_as_the_quicker_file_where_they_are_brought_to_a_latency(
    overrides: tuple[str, ...], expected: str | None
) -> None:
    config = _composed(*overrides)
    config, parts = brought_to_budget(config, search_parts(config), None)
    assert config.objective.precision == parts.objective.precision == expected
    assert isinstance(parts.costing, Quickest) == (expected == "best")


def test_what_a_controller_proposes_is_not_changed_by_the_check_whether_it_can() -> None:
    config = _composed("seed=3")
    config.controller = {"_target_": "optuna.samplers.RandomSampler"}  # what it proposes depends on what it did before
    parts = search_parts(config)
    keys = []
    for sampler in (parts.controller, RandomSampler(seed=3)):
        study = SearchStudy(InMemoryStorage(), sampler, parts.space, parts.objective)
        keys.append([study.ask().genotype.key for _ in range(4)])
    assert keys[0] == keys[1]


def test_a_target_is_asked_for_where_candidates_are_to_be_measured_and_none_is_named() -> None:
    config = _composed()
    config.target = None
    parts = search_parts(config)
    assert parts.target is None
    with pytest.raises(UserError, match="target: not given"):
        _ = parts.costing
