"""Which classes a configuration may name: those of nastk, Optuna and torch that its place expects, and the user's own.

A configuration may come from a stranger, in a run folder or as a file for --config-dir. What it names with `_target_`
is imported and called, so it is held to an allow-list, by the class that the name leads to and not by its spelling:
torch alone has classes that start programs.
"""

from __future__ import annotations

import inspect
import os
import sys
import types
import typing
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra.utils import get_object

from nastk.errors import UserError
from nastk.own_modules import SETTING, VARIABLE, allowed

PACKAGES = ("nastk", "optuna", "torch")
# Where classes that stand in the config.yaml of runs were before.
FORMER = {
    "nastk.training.data": "nastk.data.sources",
    "nastk.deploy.predictors": "nastk.deploy.cost",
    "nastk.loggers": "nastk.jobs.loggers",
    "nastk.pruning": "nastk.study.pruning",
}


def trust(names: Sequence[str]) -> None:
    """Adds packages, modules or classes for this process and those it starts; each may run any code of its own.

    Raises:
        UserError: a name that cannot be a package, a module or a class.
    """
    for name in names:
        if not isinstance(name, str) or not all(part.isidentifier() for part in name.split(".")):
            raise UserError(f"{SETTING}: {name!r}, expected the name of a package, a module or a class")
    if names:
        os.environ[VARIABLE] = ",".join(dict.fromkeys([*allowed(), *names]))
        if str(Path.cwd()) not in sys.path:  # as `python -m` has it, where the command is `nastk`
            sys.path.append(str(Path.cwd()))


def trusts(name: str) -> bool:
    """Whether the command line added this name, or a package that it lies in."""
    return _within(name, allowed())


def keep_trust(added: str | None) -> None:
    """Sets the environment back to what was added on the command line, whatever a configuration made of it since."""
    if added is None:
        os.environ.pop(VARIABLE, None)
    else:
        os.environ[VARIABLE] = added


def present_names(node: Any) -> Any:
    """Returns plain containers with every `_target_` by the name that its class has now."""
    if isinstance(node, dict):
        return {key: _present(part) if key == "_target_" else present_names(part) for key, part in node.items()}
    return [present_names(part) for part in node] if isinstance(node, list) else node


def _present(name: Any) -> Any:
    for former, present in FORMER.items():
        if isinstance(name, str) and _within(name, (former,)):
            return present + name.removeprefix(former)
    return name


def trusted_class(name: str, where: str, kind: Any = None) -> type[Any]:
    """Returns the class that a `_target_` names.

    Args:
        name: dotted.
        where: the setting it stands in, for messages.
        kind: what is expected there: a class, a protocol whose methods it must have, or a union of these. None: any
            class of nastk's.

    Raises:
        UserError: it is not allowed, not there, or not of the kind. Nothing was called then, and nothing outside the
            allowed packages was imported.
    """
    said = f"{where}._target_={name!r}"
    name = str(_present(name))
    parts = name.split(".")
    if not _within(name, (*PACKAGES, *allowed())):
        expected = ", ".join(f"{package}." for package in (*PACKAGES, *allowed()))
        raise UserError(
            f"{said}: expected a name that starts with {expected}; nothing was run; "
            f"{SETTING}=[{parts[0] or 'NAME'}] on the command line allows it"
        )
    if any(part.startswith("_") or not part.isidentifier() for part in parts):
        raise UserError(f"{said}: expected a public name; nothing was run")
    try:
        target = get_object(name)
    except Exception as error:
        raise UserError(f"{said}: not found ({' '.join(str(error).split())[:120]})") from None
    packages = (*PACKAGES[: 1 if kind is None else None], *allowed())
    if not isinstance(target, type) or not _within(f"{target.__module__}.{target.__qualname__}", packages):
        raise UserError(f"{said}: expected a class of {', '.join(packages)}; nothing was run")
    if kind is not None and not _fits(target, kind):
        raise UserError(f"{said}: expected {spelled_kind(kind)}; nothing was run")
    return target


def class_kinds(hint: Any) -> Any:
    """Returns the classes among an annotation's alternatives that a nested `_target_` may be of, or None for none."""
    found = [part for part in _alternatives(hint) if isinstance(part, type) and part.__module__ != "builtins"]
    return typing.Union[tuple(found)] if found else None  # noqa: UP007


def spelled_kind(kind: Any) -> str:
    """Returns what a place expects, for messages."""
    return " or ".join(f"{part.__module__}.{part.__qualname__}" for part in _alternatives(kind))


def _fits(target: type[Any], kind: Any) -> bool:
    return any(
        all(callable(getattr(target, method, None)) for method in _methods(part))
        if getattr(part, "_is_protocol", False)
        else issubclass(target, part)
        for part in _alternatives(kind)
    )


def _methods(protocol: type[Any]) -> list[str]:
    """A protocol's properties may be fields of the class, which only its objects have."""
    return [name for name, value in vars(protocol).items() if inspect.isfunction(value) and not name.startswith("_")]


def _alternatives(hint: Any) -> tuple[Any, ...]:
    return typing.get_args(hint) if typing.get_origin(hint) in (typing.Union, types.UnionType) else (hint,)


def _within(name: str, packages: Sequence[str]) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)
