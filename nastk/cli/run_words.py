"""Words of a command line that are for a run which is there: they may name settings that the defaults have not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from omegaconf import OmegaConf

from nastk.config.build import load_yaml, shipped
from nastk.errors import UserError
from nastk.runs.folder import named_run


def words_for_run(words: Sequence[str], config_name: str) -> list[str]:
    """Returns the words as Hydra takes them: `data.root=` of a run on an image folder, where the default has digits.

    Whether the run's own class knows the setting is told when it is built.

    Args:
        words: the command line.
        config_name: the entry point's.
    """
    groups = run_groups(words, config_name)
    return [f"++{word}" if "." in _name(word) and _name(word).partition(".")[0] in groups else word for word in words]


def run_groups(words: Sequence[str], config_name: str) -> set[str]:
    """Returns the groups that the run of a command line has settings of; of a later step, which it takes from there."""
    node: Any = OmegaConf.load(shipped("conf") / f"{config_name}.yaml")
    if {"data": None} in node.get("defaults", ()):
        return {"data"}
    given = {name: word.partition("=")[2].strip("'\"") for word in words if (name := _name(word)) in ("run", "runs")}
    if not given.get("run"):
        return set()
    try:
        path = named_run(given["run"], given.get("runs", "runs")) / "config.yaml"
        return {str(name) for name in load_yaml(path)} if path.exists() else set()
    except (UserError, OSError):
        return set()  # told when the run is opened


def _name(word: str) -> str:
    return word.partition("=")[0] if "=" in word and not word.startswith("-") else ""
