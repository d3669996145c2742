"""Configuration becomes objects: checked types, names, and targets that a stranger cannot choose."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from nastk.config.build import build, load_yaml, settings, shipped_spaces
from nastk.config.trust import trusted_class
from nastk.errors import UserError
from nastk.objective import Objective
from nastk.spaces import NasnetSpace
from tests.commands import run

OBJECTIVE = "nastk.objective.Objective"


def test_a_node_becomes_the_object_that_it_names() -> None:
    node = OmegaConf.create({"_target_": OBJECTIVE, "maximize": ["accuracy"], "max_latency_ms": 2})
    assert build(node, "objective") == Objective(max_latency_ms=2)


def test_what_the_caller_gives_goes_where_the_target_takes_it_and_is_left_out_elsewhere() -> None:
    node = {"_target_": "nastk.controllers.PerTrial", "sampler": "optuna.samplers.RandomSampler"}
    assert build(node, "controller", seed=5)._seed == 5
    assert build({"_target_": OBJECTIVE}, "objective", seed=5) == Objective()


@pytest.mark.parametrize(
    "target", ["os.system", "subprocess.run", "builtins.eval", "nastkx.evil", "importlib.import_module", ".os", ""]
)
def test_a_target_outside_the_allowed_packages_is_never_imported_or_called(target: str) -> None:
    with pytest.raises(UserError, match="nothing was run"):
        build({"_target_": target, "command": "touch /tmp/owned"}, "evaluator")


@pytest.mark.parametrize(
    "target",
    ["nastk.config.build.os.system", "torch.os.system", "torch.hub.os.system", "nastk.nothing", "torch.hub.load"],
)
def test_a_target_that_reaches_through_a_package_to_something_else_is_refused(target: str) -> None:
    with pytest.raises(UserError):
        build({"_target_": target, "command": "true"}, "evaluator")


def test_a_misspelt_field_names_the_nearest() -> None:
    with pytest.raises(UserError, match=r"setting in objective 'max_latncy_ms'; nearest is 'max_latency_ms'"):
        build({"_target_": OBJECTIVE, "max_latncy_ms": 2}, "objective")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("max_latency_ms", "fast"),
        ("max_latency_ms", True),
        ("maximize", "accuracy"),
        ("maximize", [1]),
        ("maximize", {}),
    ],
)
def test_a_value_of_the_wrong_type_is_named_with_what_was_expected(field: str, value: object) -> None:
    with pytest.raises(UserError, match=f"objective.{field}=.*expected"):
        build({"_target_": OBJECTIVE, field: value}, "objective")


def test_a_field_without_a_default_must_be_given() -> None:
    with pytest.raises(UserError, match="controller.sampler: not given"):
        build({"_target_": "nastk.controllers.PerTrial"}, "controller")


def test_settings_take_their_own_fields_and_check_them() -> None:
    @dataclass
    class Mine:
        trials: int = 3
        rate: float = 0.5

    assert settings(Mine, {"trials": 7, "rate": 1, "other": "x"}) == Mine(7, 1)
    with pytest.raises(UserError, match="trials='many': str, expected int"):
        settings(Mine, {"trials": "many"})


def test_every_shipped_space_builds() -> None:
    from nastk.config.build import load_yaml, shipped

    assert {"nasnet", "nasnet_paper", "nasbench201", "darts"} <= set(shipped_spaces())
    spaces = {name: build(load_yaml(shipped("search_spaces") / f"{name}.yaml"), "space") for name in shipped_spaces()}
    assert isinstance(spaces["nasnet"], NasnetSpace)
    assert spaces["nasnet"].blocks == 5


@pytest.mark.parametrize(
    ("entry", "word", "said"),
    [
        (
            "search",
            "evaluator.network.filters=99999999999",
            "filters=99999999999, expected a whole number from 2",
        ),
        ("search", "evaluator.network.cells=99999999999", "cells=99999999999, expected a whole number from 1"),
        ("search", "evaluator.batch=99999999999", "batch=99999999999, expected a whole number"),
        ("search", "evaluator.epochs=99999999999", "epochs=99999999999, expected a whole number"),
        ("search", "trials=99999999999", "trials=99999999999, expected a whole number"),
        ("search", "max_failures=99999999", "max_failures=99999999: expected at least 1, at most"),
        ("search", "controller.candidates=99999999", "candidates=99999999: expected both to be at least 2, at most"),
        ("search", "data.resize=99999999999", "resize=99999999999, expected"),
        ("search", "data.workers=99999999999", "workers=99999999999, expected"),
        ("search", "target.batch=99999999999", "batch=99999999999, expected a whole number"),
        ("describe", "network.filters=99999999999", "filters=99999999999, expected a whole number from"),
        ("describe", "network.size=99999999999", "size=99999999999, expected a whole number from 1"),
    ],
)
def test_an_absurd_number_is_refused_with_its_range(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, entry: str, word: str, said: str
) -> None:
    others = ("network=nasnet_a_mobile",) if entry == "describe" else ("+space=nasnet", f"run={tmp_path / 'run'}")
    assert said in run(capsys, entry, *others, word).line
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("former", "present"),
    [
        ("nastk.training.data.Digits", "nastk.data.sources.Digits"),
        ("nastk.deploy.predictors.sources.TableLatency", "nastk.deploy.cost.sources.TableLatency"),
        ("nastk.loggers.NoLogger", "nastk.jobs.loggers.NoLogger"),
        ("nastk.pruning.ParetoPruner", "nastk.study.pruning.ParetoPruner"),
    ],
)
def test_a_class_is_found_by_the_name_that_a_run_of_before_has(tmp_path: Path, former: str, present: str) -> None:
    (tmp_path / "config.yaml").write_text(f"part: {{_target_: {former}, list: [{{_target_: {former}}}]}}\n")
    part = load_yaml(tmp_path / "config.yaml").part
    assert part == {"_target_": present, "list": [{"_target_": present}]}
    found = trusted_class(former, "part")
    assert found is trusted_class(present, "part") and found.__name__ == present.rpartition(".")[2]
