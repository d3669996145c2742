"""What a report needs to know of a run's config.yaml: controller, seed, limits, and what it was made with."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from nastk.checks import is_number, is_whole
from nastk.errors import UserError
from nastk.outside.yaml_text import RefusedYaml, check_yaml

PLAIN_NAMES = {"nsgaii": "nsga2", "nsgaiii": "nsga3", "regularized_evolution": "evolution"}


def parse_config(text: str, path: Path) -> dict[str, Any]:
    """Returns the settings, interpolations as they are written.

    Args:
        text: the content of config.yaml.
        path: for messages.

    Raises:
        UserError: it is not YAML, or holds no mapping; names the line where YAML knows it.
    """
    try:
        check_yaml(text)
        node = OmegaConf.create(text)
    except RefusedYaml as error:
        line = f":{error.line}" if error.line else ""
        raise UserError(f"{path}{line}: not YAML ({error.reason})") from None
    except (YAMLError, ValueError, RecursionError, OmegaConfBaseException) as error:
        raise UserError(f"{path}: not a configuration ({error})") from None
    if not isinstance(node, DictConfig):
        raise UserError(f"{path}: a list, expected settings as name: value")
    return {str(key): value for key, value in _mapping(OmegaConf.to_container(node, resolve=False)).items()}


def controller_name(config: Mapping[str, Any]) -> str:
    """Returns the controller's short name, "random" for optuna.samplers.RandomSampler; "unknown" if none is written."""
    controller = config.get("controller")
    if isinstance(controller, str):
        return controller
    fields = _mapping(controller)
    target = str(fields.get("name") or fields.get("sampler") or fields.get("_target_") or "unknown")
    tail = target.rpartition(".")[2].removesuffix("Sampler")
    snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", tail).lower()
    return PLAIN_NAMES.get(snake, snake)


def run_seed(config: Mapping[str, Any]) -> int | None:
    """Returns the seed, or None where none is written."""
    seed = config.get("seed")
    return seed if is_whole(seed) else None


def limits(config: Mapping[str, Any]) -> dict[str, float]:
    """Returns the limits that are set, by metric, e.g. {"latency_ms": 1.5}."""
    found = {}
    for name, value in _mapping(config.get("objective")).items():
        if str(name).startswith("max_") and is_number(value):
            found[str(name).removeprefix("max_")] = float(value)
    return found


def made_by(config: Mapping[str, Any]) -> dict[str, str]:
    """Returns versions and machine as the search recorded them."""
    return {str(name): str(value) for name, value in _mapping(config.get("made_by")).items()}


def _mapping(value: Any) -> Mapping[Any, Any]:
    return value if isinstance(value, Mapping) else {}
