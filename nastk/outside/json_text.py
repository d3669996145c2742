"""Reads JSON from outside: finite numbers of a sane length, bounded depth, and an object where one is expected."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from nastk.checks import is_number
from nastk.errors import UserError, shortened
from nastk.outside.regular import DOCUMENT, MIB, decoded, opened, read_text, sized

MAX_DEPTH = 64
MAX_DIGITS = 40  # an integer of more is no count; Python itself reads 4,300, and a float takes 308
ROWS = 4096 * MIB  # of a file with one value a line, which is never in memory as a whole
ROW = 16 * MIB


def read_json(path: Path, limit: int = DOCUMENT) -> Any:
    """Reads a JSON file.

    Raises:
        UserError: it is missing, no regular file, too large, not UTF-8, or `parse_json` refuses it.
    """
    return parse_json(read_text(path, limit), str(path), "; the file is cut short or damaged")


def read_object(path: Path, limit: int = DOCUMENT) -> dict[str, Any]:
    """Reads a JSON file that holds an object; raises UserError as `read_json`, or where it holds something else."""
    return as_object(read_json(path, limit), str(path))


def json_lines(path: Path, hint: str = "") -> Iterator[tuple[int, Any]]:
    """Yields number, from 1, and value of each line of a file of JSON lines that is not blank.

    Args:
        path: the file.
        hint: what the messages about a line end with.

    Raises:
        UserError: as `read_json`; it names file and line.
    """
    with opened(path, ROWS) as file:
        number = before = 0
        while line := file.readline(ROW + 1):
            number += 1
            where = f"{path}:{number}"
            if len(line) > ROW:
                raise UserError(f"{where}: a line of over {sized(ROW)}, expected at most that")
            if line.strip():
                yield number, parse_json(decoded(line, str(path), before), where, hint)
            before += len(line)


def parse_json(text: str, where: str, hint: str = "") -> Any:
    """Returns what a JSON text says.

    Args:
        text: the JSON.
        where: what the messages begin with.
        hint: what they end with.

    Raises:
        UserError: it is not JSON, has a number that is not finite or has over `MAX_DIGITS` digits, or is nested deeper
            than `MAX_DEPTH`.
    """
    strange: list[float] = []

    def number(written: str) -> float:
        value = float(written)
        if not math.isfinite(value):
            strange.append(value)
        return value

    try:
        found = json.loads(text, parse_constant=number, parse_float=number, parse_int=_integer)
    except RecursionError:
        raise UserError(f"{where}: not JSON (nested deeper than {MAX_DEPTH}){hint}") from None
    except ValueError as error:
        raise UserError(f"{where}: not JSON ({error}){hint}") from None
    # Each level begins with one of these signs: whatever has few of them, as most do, is not deep.
    if text.count("[") + text.count("{") > MAX_DEPTH and _is_deep(found):
        raise UserError(f"{where}: nested deeper than {MAX_DEPTH}{hint}")
    for name, value in _numbers(found) if strange else ():
        if not math.isfinite(value):
            raise UserError(f"{where}: {f'{name} {value}'.strip()}, expected a finite number{hint}")
    return found


def as_object(data: Any, where: str, expected: str = "an object") -> dict[str, Any]:
    """Returns `data` where it is an object; raises UserError that begins with `where` where it is not."""
    if not isinstance(data, dict):
        raise UserError(f"{where}: {shortened(data)}, expected {expected}")
    return data


def number_in(data: Mapping[str, Any], name: str, where: str) -> float | None:
    """Returns a finite number's value, or None where the field is missing or null; raises UserError otherwise."""
    value = data.get(name)
    if value is None:
        return None
    if not is_number(value):
        raise UserError(f"{where}: {name} {shortened(value)}, expected a finite number")
    return float(value)


def _integer(text: str) -> int:
    if len(text) > MAX_DIGITS:
        raise ValueError(f"a whole number of {len(text)} digits, expected at most {MAX_DIGITS}")
    return int(text)


def _is_deep(data: Any) -> bool:
    level = [data]
    for _ in range(MAX_DEPTH + 1):
        level = [
            part
            for value in level
            if isinstance(value, dict | list)
            for part in (value.values() if isinstance(value, dict) else value)
        ]
        if not level:
            return False
    return True


def _numbers(data: Any, name: str = "") -> Iterator[tuple[str, float]]:
    """Yields the dotted name and value of every number; of a key that stands twice the last counts."""
    if isinstance(data, float | int):
        yield name, data
    elif isinstance(data, dict):
        for key, value in data.items():
            yield from _numbers(value, f"{name}.{key}".lstrip("."))
    elif isinstance(data, list):
        for index, value in enumerate(data):
            yield from _numbers(value, f"{name}[{index}]")
