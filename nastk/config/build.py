"""Finds the shipped configuration, and is the one place where a configuration becomes an object."""

from __future__ import annotations

import functools
import inspect
import typing
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import typeguard
from hydra.core.config_store import ConfigStore
from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from nastk.config.trust import class_kinds, present_names, trusted_class
from nastk.errors import UserError, unknown
from nastk.outside import read_bytes
from nastk.outside.yaml_text import YAML, check_yaml

MOST = 2**32 - 1  # the greatest seed; no count, size or time is more


def shipped(folder: str) -> Path:
    """Returns where "conf" or "search_spaces" lies: inside the installed package, or beside it in a checkout."""
    package = Path(__file__).resolve().parents[1]
    for place in (package / "shipped" / folder, package.parent / folder):
        if place.is_dir():
            return place
    raise FileNotFoundError(f"{folder}/ is neither in {package / 'shipped'} nor in {package.parent}")


def shipped_spaces() -> list[str]:
    """Returns the names of the search spaces that come with nastk."""
    return sorted(path.stem for path in shipped("search_spaces").glob("*.yaml"))


@functools.cache
def register_spaces() -> None:
    """Enters every shipped search space into Hydra's store as group `space`, so that `+space=nasnet` finds it; once."""
    store = ConfigStore.instance()
    for path in sorted(shipped("search_spaces").glob("*.yaml")):
        store.store(group="space", name=path.stem, node=OmegaConf.load(path), provider="nastk")


def plain(node: Any) -> Any:
    """Returns a configuration node as dicts, tuples and scalars, each interpolation (`${seed}`) by what it stands for.

    Raises:
        omegaconf.errors.OmegaConfBaseException: an interpolation of nothing, or a value left open as `???`.
    """
    if isinstance(node, DictConfig | ListConfig):
        node = OmegaConf.to_container(node, resolve=True, throw_on_missing=True)
    if isinstance(node, Mapping):
        return {str(key): plain(value) for key, value in node.items()}
    if isinstance(node, Sequence) and not isinstance(node, str | bytes):
        return tuple(plain(value) for value in node)
    return node


def jsonable(value: Any) -> Any:
    """Returns what `plain` gave with lists for tuples, as JSON and YAML have them."""
    if isinstance(value, Mapping):
        return {key: jsonable(part) for key, part in value.items()}
    return [jsonable(part) for part in value] if isinstance(value, tuple) else value


def load_yaml(path: Path) -> DictConfig:
    """Reads a YAML file that holds a mapping; raises UserError where it does not."""
    made: DictConfig = OmegaConf.create(load_plain(path))
    return made


def load_plain(path: Path) -> dict[str, Any]:
    """Returns what `load_yaml` reads as dicts, lists and scalars, interpolations as they are written."""
    data = read_bytes(path, YAML)
    try:
        content = _parsed(data.decode("utf-8-sig"))
    except (YAMLError, ValueError, RecursionError, OmegaConfBaseException) as error:
        raise UserError(f"{path}: not a YAML configuration ({error})") from None
    if not isinstance(content, dict):
        raise UserError(f"{path}: holds no settings, expected a YAML mapping")
    for name, text in resolver_calls(content):
        raise UserError(f"{path}: {name}={text!r}, expected a value; what stands in a file reads no environment")
    named: dict[str, Any] = present_names(content)  # new containers: the parsed ones are kept
    return named


@functools.lru_cache(maxsize=32)
def _parsed(text: str) -> Any:
    """Returns plain containers, which must not be changed: a command reads its run's config.yaml several times."""
    check_yaml(text)
    return OmegaConf.to_container(OmegaConf.create(text), resolve=False)


def resolver_calls(node: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """Yields the dotted name and the text of every value or key of plain containers that would call a resolver.

    A resolver reads more than the configuration (`${oc.env:HOME}`). Its name may be put together from other settings,
    so that the colon tells it.
    """
    if isinstance(node, Mapping):
        for key, value in node.items():
            yield from resolver_calls(key, f"{name}.{key}".lstrip("."))
            yield from resolver_calls(value, f"{name}.{key}".lstrip("."))
    elif isinstance(node, str):
        if "${" in node and ":" in node:
            yield name, node
    elif isinstance(node, Sequence):
        for index, value in enumerate(node):
            yield from resolver_calls(value, f"{name}[{index}]")


def build(node: Any, where: str, kind: Any = None, **given: Any) -> Any:
    """Builds the object that a node names with `_target_`, its fields checked against the target's annotations.

    Args:
        node: a mapping with `_target_` and fields; nested ones are built first, where the annotation names a class.
        where: the node's place in the configuration, for messages ("controller").
        kind: expected there, as in `nastk.config.trust.trusted_class`; None for any class of nastk's.
        given: fields that the caller knows and the configuration does not; those the target lacks are left out.

    Raises:
        UserError: no or a forbidden target, a field the target lacks, a missing field, or a value of the wrong type.
    """
    fields = plain(node)
    if not isinstance(fields, dict) or not isinstance(fields.get("_target_"), str):
        raise UserError(f"{where}: {str(fields)[:60]!r} has no _target_, expected the name of a class")
    target = trusted_class(fields.pop("_target_"), where, kind)
    signature = inspect.signature(target)
    takes_any = any(parameter.kind is parameter.VAR_KEYWORD for parameter in signature.parameters.values())
    names = [name for name, one in signature.parameters.items() if one.kind is not one.VAR_KEYWORD]
    hints = _hints(target)
    for name, value in fields.items():
        if name.startswith("_") or (name not in names and not takes_any):
            raise unknown(f"setting in {where}", name, [other for other in names if other not in given])
        if isinstance(value, dict) and "_target_" in value:
            wanted = class_kinds(hints.get(name))
            if wanted is None:
                raise UserError(f"{where}.{name}: has a _target_, expected {_spelled(hints.get(name, Any))}")
            fields[name] = build(value, f"{where}.{name}", wanted)
        elif name in hints:
            check_type(value, hints[name], f"{where}.{name}")
    fields = {name: value for name, value in given.items() if name in names or takes_any} | fields
    for name in names:
        if name not in fields and signature.parameters[name].default is inspect.Parameter.empty:
            raise UserError(f"{where}.{name}: not given, expected {_spelled(hints.get(name, Any))}")
    try:
        return target(**fields)
    except (TypeError, ValueError) as error:
        if target.__module__.startswith("nastk."):
            raise
        raise UserError(f"{where}: {target.__name__} refuses its settings: {error}") from None


def settings(kind: type[Any], node: Any, where: str = "") -> Any:
    """Builds a dataclass of settings from the node's fields of the same names, checked as in `build`.

    Fields of the node that the dataclass lacks are another part's and left alone.
    """
    fields = plain(node)
    hints = _hints(kind)
    names = [name for name in inspect.signature(kind).parameters if name in fields]
    for name in names:
        check_type(fields[name], hints[name], f"{where}{name}")
    return kind(**{name: fields[name] for name in names})


def check_type(value: Any, hint: Any, where: str) -> None:
    """Raises UserError unless `value` is of the annotated type (a whole number passes for a float)."""
    is_flag = isinstance(value, bool) and bool not in _members(hint) and Any not in _members(hint)
    try:
        typeguard.check_type(value, hint, collection_check_strategy=typeguard.CollectionCheckStrategy.ALL_ITEMS)
    except typeguard.TypeCheckError:
        is_flag = True
    if is_flag:
        raise UserError(f"{where}={value!r}: {type(value).__name__}, expected {_spelled(hint)}")
    if int in _members(hint) and float not in _members(hint):
        for number in value if isinstance(value, list | tuple) else (value,):
            if isinstance(number, int) and abs(number) > MOST:
                raise UserError(f"{where}={str(number)[:40]}, expected a whole number from {-MOST} to {MOST}")


def _members(hint: Any) -> set[Any]:
    parts = typing.get_args(hint)
    return {hint}.union(*(_members(part) for part in parts)) if parts else {hint}


def _spelled(hint: Any) -> str:
    """Returns a type in the words of YAML."""
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if origin is Mapping:
        return "a mapping"
    if origin is tuple and len(parts) == 2 and parts[1] is ...:
        return f"a list [...] of {_spelled(parts[0])}"
    return hint.__name__ if isinstance(hint, type) and not typing.get_args(hint) else str(hint).replace("typing.", "")


def _hints(target: Any) -> dict[str, Any]:
    function = inspect.getattr_static(target, "__init__")
    try:
        return typing.get_type_hints(function)
    except NameError:
        return {}
