"""Makes a study that drivers share, or joins it: all must search the same space for the same objective."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import optuna
from optuna.exceptions import DuplicatedStudyError
from optuna.storages import BaseStorage

from nastk.config.trust import present_names
from nastk.errors import UserError

SETTINGS = "nastk"  # of the study: what all its drivers have in common


def create_or_join(storage: BaseStorage, name: str, directions: Sequence[Any], settings: Mapping[str, Any]) -> None:
    """Makes a study that drivers share, or checks that the one there is of the same settings.

    Only whoever creates it writes the settings, so that drivers that start at once compare with the same.

    Args:
        storage: where the study lives.
        name: its.
        directions: of its objectives, where it is made.
        settings: what all its drivers must have in common, as JSON has it.

    Raises:
        UserError: it is of other settings, or none of nastk's.
    """
    try:
        created = optuna.create_study(storage=storage, study_name=name, directions=directions)
        created.set_user_attr(SETTINGS, dict(settings))
        return
    except DuplicatedStudyError:
        study = optuna.load_study(storage=storage, study_name=name)
    deadline = time.monotonic() + 5
    while SETTINGS not in study.user_attrs and not study.get_trials(deepcopy=False) and time.monotonic() < deadline:
        time.sleep(0.1)
    if SETTINGS not in study.user_attrs:
        if study.get_trials(deepcopy=False):
            raise UserError(f"storage.study={name!r}: a study that nastk did not make; give another name")
        study.set_user_attr(SETTINGS, dict(settings))  # its creator was killed in between
    before, now = _flat(present_names(study.user_attrs[SETTINGS])), _flat(settings)
    for field in sorted({*before, *now}):
        if before.get(field) != now.get(field):
            raise UserError(
                f"storage.study={name!r}: a study with {field}={before.get(field)!r}, this command has "
                f"{now.get(field)!r}; use the same settings, or give the study another name"
            )


def _flat(node: Any, prefix: str = "") -> dict[str, Any]:
    if not isinstance(node, Mapping):
        return {prefix[:-1]: node}
    return {name: value for key, part in node.items() for name, value in _flat(part, f"{prefix}{key}.").items()}
