"""--help: the settings of a command as conf/ has them, with their comments and the options that were chosen."""

from __future__ import annotations

import re

import pytest
from omegaconf import OmegaConf

from nastk.cli.help import LEFT_OUT, help_text
from nastk.cli.mistakes import setting_names
from nastk.config.build import shipped
from nastk.errors import UserError

HYDRAS = (
    "search",
    "transfer",
    "export",
    "bench",
    "audit",
    "report",
    "describe",
    "pipeline",
    "backbone",
    "wish",
    "show",
)


@pytest.mark.parametrize("entry", HYDRAS)
def test_every_setting_that_there_is_is_told(entry: str) -> None:
    text = help_text(entry, ["--help"]) or ""
    told = text.partition("Settings: override with name=value\n")[2].partition("\nallow_targets")[0]
    names = {name for name in setting_names(entry, []) if not name.endswith("._target_")}
    groups = {name for name in names if (shipped("conf") / name).is_dir()}  # some have nothing to set
    assert names - groups == {*_dotted(OmegaConf.to_container(OmegaConf.create(told), resolve=False))} - groups


def _dotted(node: object, prefix: str = "") -> list[str]:
    if not isinstance(node, dict):
        return []
    names = [f"{prefix}{name}" for name in node]
    return [*names, *(one for name, part in node.items() for one in _dotted(part, f"{prefix}{name}."))]


def test_a_comment_stands_beside_its_setting_and_the_commands_own_come_first() -> None:
    lines = (help_text("wish", ["--help"]) or "").splitlines()
    own = [line.partition(":")[0] for line in lines if " # " in line][:4]
    assert own == ["images", "max_latency_ms", "max_model_kb", "size"]
    assert "trials: 16 # how many different candidates to train" in lines
    assert "  max_latency_ms: null  # p50 on the target" in lines


def test_groups_that_a_command_does_not_use_are_left_out_and_chosen_options_shown() -> None:
    text = help_text("search", ["controller=random", "+space=darts", "-h"]) or ""
    assert "network: alexnet" not in text
    assert "controller: # controller=random\n  sampler: optuna.samplers.RandomSampler" in text
    assert "space: # space=darts\n" in text


@pytest.mark.parametrize("words", [["+space=darts"], ["--config-dir", "mine", "--help"], ["controller=rnd", "--help"]])
def test_it_is_hydras_where_none_is_asked_for_or_the_groups_are_not_ours(words: list[str]) -> None:
    assert help_text("search", words) is None


def test_of_a_choice_alone_its_settings_are_told_and_the_other_options() -> None:
    lines = (help_text("wish", ["--help", "data=image_folder", "+space=darts"]) or "").splitlines()
    assert lines[0] == "data: # data=image_folder" and "space: # space=darts" in lines
    assert any(line.startswith("  root: ") and " # " in line for line in lines)
    assert not any(line.startswith(("trials:", "images:")) for line in lines)
    assert any(line.startswith("Other options of data: cifar10, ") for line in lines)


def test_a_setting_of_the_whole_job_asks_for_the_whole_help() -> None:
    assert "trials: 16 #" in (help_text("wish", ["images=digits", "--help"]) or "")


@pytest.mark.parametrize(
    ("word", "line"),
    [
        ("data=image_foldr", "unknown option of data 'image_foldr'; nearest is 'image_folder'"),
        ("dta=image_folder", "unknown group of settings 'dta'; nearest is 'data'"),
    ],
)
def test_a_choice_that_is_none_names_the_nearest(word: str, line: str) -> None:
    with pytest.raises(UserError, match=line):
        help_text("wish", ["--help", word])


def test_every_setting_has_a_comment() -> None:
    """Sizes of known networks are those of their papers, and tell nobody anything."""
    bare = []
    conf = shipped("conf")
    files = [path for path in conf.rglob("*.yaml") if path.relative_to(conf).parts[0] not in ("network", "hydra")]
    for path in (*files, conf / "network/default.yaml"):
        top = ""
        for line in path.read_text().splitlines():
            found = re.match(r"( *)(\w+):(.*)$", line)
            if found is None:
                continue
            top = top if found[1] else found[2]
            if top not in LEFT_OUT and found[2] != "_target_" and found[3].strip() and "#" not in line:
                bare.append(f"{path.name}: {line}")
    assert bare == []
