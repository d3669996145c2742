"""Opens the study of a search: in its run folder, or the one that it shares with other drivers."""

from __future__ import annotations

import contextlib
import json
import uuid
from collections.abc import Iterator
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from nastk.cli.sweeps import study_name
from nastk.config.build import jsonable, plain
from nastk.files import write_json
from nastk.jobs.search_parts import SearchParts
from nastk.outside import read_json
from nastk.runs.folder import FREE_SETTINGS
from nastk.storages import Opening, Storage
from nastk.storages.removed import not_removed
from nastk.study.shared import SharedStudy
from nastk.study.study import SearchStudy

OWN = ("storage", "data.root", "data.path", "evaluator.table", "evaluator.device", "evaluator.threads", "latency.path")
"""What may differ between drivers of one study, besides what may change within a run: where things are."""


def named_storage(folder: Path, config: DictConfig, storage: Storage, recorded: DictConfig | None) -> DictConfig:
    """Returns the configuration as it is recorded: with the study's name, and without a storage that is the default.

    Args:
        folder: of the run.
        config: of the search.
        storage: where the study is kept.
        recorded: the configuration that the folder holds, None for a new run.
    """
    named = OmegaConf.masked_copy(config, list(config))
    if storage.sharing is None:
        named.pop("storage", None)  # as the runs of before there was a choice, which can be gone on with
    elif storage.sharing.study is None:
        before = (recorded.get("storage") if recorded is not None else None) or {}
        named.storage.study = before.get("study") or study_name(folder)
    return named


@contextlib.contextmanager
def opened_study(folder: Path, config: DictConfig, parts: SearchParts, opening: Opening) -> Iterator[SearchStudy]:
    """Opens the study that a run folder's search belongs to.

    Args:
        folder: the run's, held.
        config: as `named_storage` returned it.
        parts: of the search.
        opening: what opens the storage.

    Raises:
        UserError: the study is another's, damaged, or cannot be reached, now or within the context.
    """
    sharing = parts.storage.sharing
    given = (parts.controller, parts.space, parts.objective, parts.pruner)
    with parts.storage.answering(), not_removed():
        if sharing is None:
            yield SearchStudy(opening(folder), *given)
            return
        named = (str(config.storage.study), driver(folder), sharing, common_settings(config))
        with contextlib.closing(SharedStudy(opening(folder), *given, *named)) as study:
            yield study


def driver(folder: Path) -> str:
    """Returns the name of a run folder's driver: it stays the same, but that of a copy of the folder is another."""
    path, place = folder / ".driver", str(folder.resolve())
    if path.exists():
        with contextlib.suppress(Exception):
            known = read_json(path)
            if known["folder"] == place:
                return str(known["driver"])
    name = uuid.uuid4().hex
    write_json(path, {"driver": name, "folder": place})
    return name


def common_settings(config: DictConfig) -> dict[str, object]:
    """Returns what all drivers of a study must have in common, as JSON has it."""
    settings: dict[str, object] = json.loads(json.dumps(jsonable(plain(config))))
    for name in (*FREE_SETTINGS, *OWN):
        group, _, field = name.partition(".")
        if not field:
            settings.pop(group, None)
        elif isinstance(part := settings.get(group), dict):
            part.pop(field, None)
    return settings
