"""Settings of Python become the words of a command line, whatever their form, and Hydra reads the same values."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from omegaconf import OmegaConf

from nastk.api.settings import setting_words
from nastk.api.step import run_step
from nastk.errors import UserError


def read(entry: str, given: dict[str, Any], overrides: str | list[str] = "", folder: Path | None = None) -> Any:
    """Returns the configuration that the settings make."""
    return run_step(entry, lambda: setting_words(entry, given, overrides, folder), lambda found: found, False, print)


def test_every_form_of_a_value_is_read_as_it_is() -> None:
    given = {
        **{"space": "mobile", "max_latency_ms": 3, "data": "image_folder", "root": Path("it's, {mine} = ü\\")},
        **{"evaluator.epochs": np.int64(3), "cutmix": np.float32(0.5), "objective": {"maximize": ["accuracy"]}},
        **{"target": {"threads": 2}, "class_weights": [1, 2.5], "trials": 7, "skip_corrupt": True},
    }
    found = read("search", given, "seed=3 data.subset=0.1")
    assert (found.objective.max_latency_ms, found.trials, found.seed, found.data.subset) == (3, 7, 3, 0.1)
    assert found.data.root == "it's, {mine} = ü\\" and found.data.skip_corrupt is True
    assert (found.evaluator.epochs, found.evaluator.cutmix, found.target.threads) == (3, 0.5, 2)
    assert found.evaluator.class_weights == [1, 2.5] and found.objective.maximize == ["accuracy"]
    assert found.space["_target_"] == "nastk.spaces.StageSpace"


def test_a_mapping_is_a_group_or_the_value_of_a_setting() -> None:
    found = read("transfer", {"training": {"epochs": 3, "cutout": None}, "init": {"resnet18": "a b"}, "baselines": []})
    assert found.training.epochs == 3 and found.training.cutout is None
    assert OmegaConf.to_container(found.transfer.init) == {"resnet18": "a b"} and found.baselines == []


def test_a_run_has_settings_that_the_defaults_have_not(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("data:\n  root: before\n  flip: false\n")
    assert read("transfer", {"root": "now"}, folder=tmp_path).data.root == "now"
    with pytest.raises(UserError, match="unknown setting 'root'"):
        read("transfer", {"root": "now"})


def test_the_same_setting_twice_is_a_mistake() -> None:
    with pytest.raises(UserError, match=r"objective.max_params: given twice, as 3 and 4"):
        read("search", {"max_params": 3, "objective": {"max_params": 4}})
