"""What the command line gives and a run's config.yaml has: a run goes on with its own settings, given again or not."""

from __future__ import annotations

import copy
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, OmegaConf, open_dict

from nastk.cli.sweeps import job_folder, sweeping
from nastk.config.build import load_plain, load_yaml, shipped
from nastk.errors import UserError
from nastk.jobs.data_record import read_record
from nastk.runs.folder import PLACE, named_run

Setting = tuple[str, Any]

# What options said before they said something else: a run that has it recorded goes on with it.
SAID_BEFORE: dict[str, Any] = {"resolution": []}

USUAL_SPACE = "mobile"
OWN_IMAGES = ("ImageFolder", "HuggingFace", "Npz")  # sources of images of one's own


def recorded_run(config: DictConfig) -> DictConfig | None:
    """Returns the configuration that the run folder of a search holds; None where it names none, or a new one.

    Raises:
        UserError: it is damaged.
    """
    folder = named_folder(config)
    path = None if folder is None else folder / "config.yaml"
    return None if path is None or not path.exists() else load_yaml(path)


def named_folder(config: DictConfig) -> Path | None:
    """Returns the folder that a search's settings name, which may hold a run; None where a new one will be made."""
    if sweeping():
        return job_folder(config)
    run = config.get("run")
    return named_run(run, str(config.get("runs"))) if isinstance(run, str) else None


def going_on(config: DictConfig, names: Sequence[str], recorded: DictConfig | None) -> DictConfig:
    """Returns the configuration of a search: where its run folder holds a run, with that run's settings.

    Args:
        config: as the command line and the defaults make it.
        names: of the settings that a run records.
        recorded: as `recorded_run` returned it.

    Raises:
        UserError: the run's config.yaml is damaged.
    """
    if recorded is None:
        return with_usual_space(config)
    if "made_by" in recorded:  # it stands near the end
        return overlaid(recorded, config, [name for name in names if name not in PLACE])
    if config.get("space") is None:
        path = (named_folder(config) or Path()) / "config.yaml"
        raise UserError(f"{path}: empty or cut short; put back a copy, or give another run=")
    return config


def with_usual_space(config: DictConfig) -> DictConfig:
    """Returns the configuration with the space of stages where none is given for images of one's own and a latency."""
    images = str(OmegaConf.select(config, "data._target_")).rpartition(".")[2]
    limit = OmegaConf.select(config, "objective.max_latency_ms")
    if config.get("space") is not None or images not in OWN_IMAGES or limit is None:
        return config
    changed = copy.deepcopy(config)
    with open_dict(changed):
        changed.space = load_yaml(shipped("search_spaces") / f"{USUAL_SPACE}.yaml")
    print(f"search: space {USUAL_SPACE}, the usual one for a latency; +space=NAME takes another", file=sys.stderr)
    return changed


def overlaid(recorded: DictConfig, config: DictConfig, parts: Sequence[str]) -> DictConfig:
    """Returns `config` with the recorded values of `parts`, but for what the command line gives.

    An option of a group gives the fields by which it differs from the other options of its class (`+space=nasnet` the
    operations that `nasnet_paper` lacks); its other fields are defaults, and the record's go before them. An option of
    another class than the record's, or none of nastk's, is taken as it is.
    """
    result = copy.deepcopy(config)
    OmegaConf.set_struct(result, False)
    there = [name for name in parts if name in recorded]
    for name in there:
        result[name] = copy.deepcopy(recorded[name])
    for name, value in _given():
        part = name.partition(".")[0]
        if part not in there or part not in config:
            continue
        option = isinstance(value, str) and name == part and isinstance(config[part], DictConfig)
        for field in _stated(part, value, config[part], recorded[part]) if option else _leaves(name, value):
            _copy(field, config, result)
    return result


def _given() -> list[Setting]:
    """Returns names and values of the command line's settings; of a group the name of the option."""
    if not HydraConfig.initialized():
        return []
    words = list(HydraConfig.get().overrides.task)
    parsed = OverridesParser.create().parse_overrides(words)
    return [(one.key_or_group, None if one.is_delete() else one.value()) for one in parsed]


def _stated(group: str, option: str, composed: DictConfig, recorded: Any) -> list[str]:
    """Returns the names of what an option says, "group" for all of it."""
    target = composed.get("_target_")
    folder = shipped("search_spaces") if group == "space" else shipped("conf") / group
    options = {path.stem: load_plain(path) for path in folder.glob("*.yaml")}
    alike = {name: node for name, node in options.items() if node.get("_target_") == target}
    if option not in alike or not isinstance(recorded, DictConfig) or recorded.get("_target_") != target:
        return [group]
    own = alike[option]
    names = dict.fromkeys(str(name) for node in alike.values() for name in node)
    for name, before in SAID_BEFORE.items():
        if recorded.get(name) == before:
            names.pop(name, None)
    return [f"{group}.{name}" for name in names if any(node.get(name) != own.get(name) for node in alike.values())]


def _leaves(name: str, value: Any) -> Iterator[str]:
    """Yields the names that a value is for: one given as a mapping leaves the other fields as they are."""
    if not isinstance(value, dict) or not value:
        yield name
        return
    for key, part in value.items():
        yield from _leaves(f"{name}.{getattr(key, 'text', key)}", part)


def _copy(name: str, source: DictConfig, result: DictConfig) -> None:
    parent, _, field = name.rpartition(".")
    node = OmegaConf.select(source, parent) if parent else source
    if isinstance(node, DictConfig) and field in node:
        value = node[field]
        value = OmegaConf.to_container(value, resolve=True) if OmegaConf.is_config(value) else value
        OmegaConf.update(result, name, value, merge=False, force_add=True)
        return
    there = OmegaConf.select(result, parent) if parent else result  # `~name` on the command line
    if isinstance(there, DictConfig):
        there.pop(field, None)


def run_settings(folder: Path, config: DictConfig) -> DictConfig:
    """Returns a run's settings for a step after its search, with what the command line gives of the data.

    The size and the colour of the images, where the search derived them from what it found, are those of its record:
    images that were moved or added to are still brought to what its networks take.

    Raises:
        UserError: config.yaml is no configuration, or data.json is damaged.
    """
    searched = load_yaml(folder / "config.yaml")
    data = searched.get("data")
    if isinstance(data, DictConfig) and "grey" in data:
        found = read_record(folder) or {}
        _pin(data, "resize", found.get("size"))
        _pin(data, "grey", found.get("channels") == 1 if "channels" in found else None)
    if config.get("data") is not None:
        searched.data = overlaid(searched, config, ["data"]).data if "data" in searched else config.data
    return searched


def _pin(node: DictConfig, name: str, value: Any) -> None:
    if node.get(name) is None and isinstance(value, int):
        node[name] = value
