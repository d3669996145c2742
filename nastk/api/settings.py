"""Settings as Python has them, `max_latency_ms=3, training={"epochs": 20}`, as the words of a command line."""

from __future__ import annotations

import math
import os
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from nastk.cli.help import top_names
from nastk.cli.interrupts import WHOLE
from nastk.cli.mistakes import setting_names, unknown_setting
from nastk.cli.run_words import run_groups
from nastk.cli.sweeps import quoted
from nastk.cli.wish_words import OWN, pipeline_words
from nastk.config.build import load_yaml, shipped
from nastk.errors import UserError, shortened
from nastk.own_modules import SETTING, VARIABLE

LIMITS = ("max_latency_ms", "max_params", "max_macs", "max_memory_mb", "max_ram_kb", "max_flash_kb")
PLACE = ("run", "runs")  # what the Run is made with
MOST_DEEP = 8


def setting_words(
    entry: str, given: Mapping[str, object], overrides: str | Sequence[str], folder: Path | None
) -> list[str]:
    """Returns the command line's words for settings.

    A name is that of the command line (`trials`), or the last part of one where that is clear (`root` for `data.root`;
    a limit is the objective's). A mapping gives several of a group.

    Args:
        entry: as in `python -m nastk.<entry>`.
        given: values by name: text, paths, numbers, True, False, None, lists and mappings of these.
        overrides: further words, "data.subset=400 seed=1" or a list of them; they go after `given`.
        folder: of the run, None for a new one; one that is there has settings that the defaults have not.

    Raises:
        UserError: a setting that there is not, a short name of several, a value that no setting has.
    """
    for name in PLACE:
        if name in given:
            raise UserError(f"{name}={shortened(given[name])}: not taken here, expected nastk.Run({name}=...)")
    if given.get("space", "") is None:
        given = {name: value for name, value in given.items() if name != "space"}
    if entry == "backbone" and isinstance(given.get("data"), str | os.PathLike):  # a set's file, no choice of a source
        given = {"data.root" if name == "data" else name: value for name, value in given.items()}
    more = _words(overrides)
    tops = set(top_names(entry))
    groups = [*(path.name for path in shipped("conf").iterdir() if path.is_dir()), "space"]
    chosen = {name: value for name, value in given.items() if name in groups and isinstance(value, str)}
    choices = [_word(f"+{name}" if name == "space" else name, value) for name, value in chosen.items()]
    if tops >= given.keys() and not any(isinstance(value, Mapping) for value in given.values()):
        return [*_all(given), *more]
    names = [*setting_names(entry, choices), *(() if folder is None else _recorded(entry, folder))]
    found: dict[str, object] = {}
    for name, value in given.items():
        full = name if "." in name or name in tops else _full(entry, name, names, choices)
        for part, one in _leaves(full, value, names):
            if part in found:
                raise UserError(f"{part}: given twice, as {shortened(found[part])} and {shortened(one)}")
            found[part] = one
    return [*_all(found), *more]


def whole_words(
    given: Mapping[str, object], overrides: str | Sequence[str], folder: Path | None, place: Sequence[str]
) -> list[str]:
    """Returns the command line's words for the settings of the whole job, as `setting_words` for the other steps.

    Args:
        given, overrides, folder: as there.
        place: words that say where the run is.
    """
    own = [f"{name}={_plain(value)}" for name, value in given.items() if name in OWN]
    rest = {name: value for name, value in given.items() if name not in OWN}
    return pipeline_words([*own, *setting_words(WHOLE, rest, overrides, folder), *place])


def _plain(value: object) -> str:
    """Returns a value as a shell gives it to a command."""
    return "null" if value is None else str(value)


def _all(settings: Mapping[str, object]) -> list[str]:
    return [_word(name, value) for name, value in settings.items()]


def _words(overrides: str | Sequence[str]) -> list[str]:
    try:
        words = shlex.split(overrides) if isinstance(overrides, str) else list(overrides)
    except ValueError as error:
        raise UserError(f"overrides={overrides!r}: a quote is not closed ({error})") from None
    for word in words:
        if not isinstance(word, str) or word.startswith("-") or word.lstrip("+~").startswith("hydra"):
            raise UserError(f"overrides: {word!r}, expected settings, 'name=value'")
        if word.startswith(f"{SETTING}="):
            raise UserError(f"overrides: {word!r}, expected in the environment: {VARIABLE}=PACKAGE")
    return words


def _recorded(entry: str, folder: Path) -> list[str]:
    """Returns dotted names of a run's own settings that the step takes."""
    groups = run_groups([f"run={folder.absolute()}"], entry)
    path = folder / "config.yaml"
    if not groups or not path.is_file():
        return []
    try:
        node = load_yaml(path)
    except UserError:
        return []  # told when the run is opened
    return [f"{group}.{name}" for group in sorted(groups) for name in _keys(node.get(group))]


def _keys(node: Any) -> list[str]:
    return [str(name) for name in node] if isinstance(node, Mapping) else []


def _full(entry: str, name: str, names: Sequence[str], choices: Sequence[str]) -> str:
    """Returns the full name of a setting of which the last part is given."""
    found = list(dict.fromkeys(one for one in names if one.rpartition(".")[2] == name))
    if name in LIMITS and f"objective.{name}" in found:
        return f"objective.{name}"
    if not found:
        raise UserError(unknown_setting(name, entry, choices))
    if len(found) > 1:
        first, *others = found
        group = first.partition(".")[0]
        raise UserError(
            f"{name}: could be {first} or {' or '.join(others)}; expected {group}={{{name!r}: ...}}, for the first"
        )
    return found[0]


def _leaves(name: str, value: object, names: Sequence[str], deep: int = 0) -> Iterator[tuple[str, object]]:
    """Yields full names with their values; a setting that is itself a mapping stays one."""
    inner = any(one.startswith(f"{name}.") for one in names)
    if not isinstance(value, Mapping) or not inner or deep > MOST_DEEP:
        yield name, value
        return
    for key, part in value.items():
        yield from _leaves(f"{name}.{key}", part, names, deep + 1)


def _word(name: str, value: object) -> str:
    return f"{name}={_value(name, value)}"


def _value(name: str, value: object, deep: int = 0) -> str:
    """Returns a value in Hydra's grammar."""
    item = getattr(value, "item", None)
    if callable(item) and not isinstance(value, int | float | str) and getattr(value, "ndim", None) == 0:
        value = item()  # a number of numpy's
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return repr(value) if isinstance(value, int) or math.isfinite(value) else str(value)
    if isinstance(value, str | os.PathLike):
        return quoted(os.fspath(value))
    if deep < MOST_DEEP and isinstance(value, Mapping):
        return "{" + ",".join(f"{key}:{_value(name, part, deep + 1)}" for key, part in value.items()) + "}"
    if deep < MOST_DEEP and isinstance(value, list | tuple):
        return "[" + ",".join(_value(name, part, deep + 1) for part in value) + "]"
    expected = "text, a path, a number, True, False, None, or a list or dict of these"
    raise UserError(f"{name}={shortened(value)}: {type(value).__name__}, expected {expected}")
