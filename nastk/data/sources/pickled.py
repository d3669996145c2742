"""Reads the pickles of CIFAR's python version without unpickling: values are built, nothing is imported or called.

A pickle is a program. `pickletools` takes it apart; the few instructions that dictionaries of lists, numbers, text and
uint8 arrays need are carried out here on plain values, and every other instruction or name ends the reading.
"""

from __future__ import annotations

import math
import pickletools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nastk.errors import UserError
from nastk.outside import opened

MAX_BYTES = 1 << 30
MAX_INSTRUCTIONS = 1_000_000  # CIFAR-100's training file has about 200,000
RECONSTRUCT, NDARRAY, DTYPE, ENCODE = "numpy _reconstruct", "numpy ndarray", "numpy dtype", "_codecs encode"
NAMES = {
    "numpy.core.multiarray _reconstruct": RECONSTRUCT,
    "numpy._core.multiarray _reconstruct": RECONSTRUCT,
    "numpy ndarray": NDARRAY,
    "numpy dtype": DTYPE,
    "_codecs encode": ENCODE,
}


class _RefusedError(Exception):
    """The pickle asks for something that a CIFAR file has no need of, or is malformed."""


@dataclass(frozen=True)
class _Name:
    """What stands for one of `NAMES`; it cannot be called."""

    name: str


class _Uint8:
    """What stands for `numpy.dtype("u1")`."""


class _Array:
    """An array whose content comes with a later instruction."""

    content: NDArray[np.uint8] | None = None


_MARK = object()


def read_pickled(name: str, path: Path) -> dict[str, Any]:
    """Reads one file of the python version, as Python 2 or 3 writes it (protocols 2 to 4).

    Args:
        name: of the data source, for messages.
        path: the file.

    Returns:
        Its dictionary: text keys; values are None, bool, int, text or bytes (what Python 2 wrote as `str`), lists,
        tuples and dictionaries of them, and uint8 arrays.

    Raises:
        UserError: the file is missing, too large, cut short, no dictionary, or asks for anything else than such values.
    """
    try:
        with opened(path, MAX_BYTES) as file:
            result = _carry_out(file)
    except UserError as error:
        raise UserError(f"data {name}: {error}") from None
    except _RefusedError as error:
        raise UserError(f"data {name}: {path}: refused, nothing of it was run: {error}") from None
    except (
        ValueError,
        IndexError,
        KeyError,
        MemoryError,
    ) as error:  # what pickletools says of bytes that are no pickle
        reason = " ".join(str(error).split())[:120]
        raise UserError(
            f"data {name}: {path}: cut short or no CIFAR pickle ({reason or type(error).__name__})"
        ) from None
    if not isinstance(result, dict):
        raise UserError(f"data {name}: {path}: holds a {type(result).__name__}, expected a dictionary")
    return {
        _text(key): value.content if isinstance(value, _Array) else value
        for key, value in result.items()
        if not isinstance(value, _Name | _Uint8)
    }


def _text(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def _carry_out(file: Any) -> Any:
    stack: list[Any] = []
    memo: dict[int, Any] = {}
    argument: Any
    for count, (instruction, argument, _) in enumerate(pickletools.genops(file)):
        what = instruction.name
        if count > MAX_INSTRUCTIONS:
            raise _RefusedError(f"more than {MAX_INSTRUCTIONS} instructions")
        if what in _VALUES:
            stack.append(_VALUES[what](argument))
        elif what in _STEPS:
            _STEPS[what](stack)
        elif what == "MEMOIZE":
            memo[len(memo)] = stack[-1]
        elif what in ("BINPUT", "LONG_BINPUT"):
            memo[argument] = stack[-1]
        elif what in ("BINGET", "LONG_BINGET"):
            stack.append(memo[argument])
        elif what == "STOP":
            return _only(stack)
        elif what not in ("PROTO", "FRAME"):
            raise _RefusedError(f"instruction {what}, which no CIFAR file has")
    raise ValueError("no end")


def _only(stack: list[Any]) -> Any:
    if len(stack) != 1:
        raise ValueError(f"{len(stack)} values at the end")
    return stack[0]


def _name(text: str) -> _Name:
    if text not in NAMES:
        raise _RefusedError(
            f"it asks for {text.replace(' ', '.')[:80]!r}, expected arrays, lists, numbers and text only"
        )
    return _Name(NAMES[text])


def _since_mark(stack: list[Any]) -> list[Any]:
    """Takes off the values above the last mark, and the mark."""
    for place in range(len(stack) - 1, -1, -1):
        if stack[place] is _MARK:
            values = stack[place + 1 :]
            del stack[place:]
            return values
    raise ValueError("no mark")


def _tuple(length: int) -> Callable[[list[Any]], None]:
    def step(stack: list[Any]) -> None:
        if len(stack) < length:
            raise IndexError("the stack is empty")
        values = tuple(stack[len(stack) - length :])
        del stack[len(stack) - length :]
        stack.append(values)

    return step


def _append(stack: list[Any], values: list[Any]) -> None:
    if not isinstance(stack[-1], list):
        raise ValueError("appends to what is no list")
    stack[-1].extend(values)


def _set(stack: list[Any], values: list[Any]) -> None:
    if not isinstance(stack[-1], dict) or len(values) % 2:
        raise ValueError("sets items of what is no dictionary")
    for key, value in zip(values[::2], values[1::2], strict=True):
        if not isinstance(key, str | bytes):
            raise _RefusedError(f"a key of type {type(key).__name__}, expected text")
        stack[-1][key] = value


def _global(stack: list[Any]) -> None:
    function, module = stack.pop(), stack.pop()
    stack.append(_name(f"{module} {function}"))


def _reduce(stack: list[Any]) -> None:
    """Does what calling one of the names would have done, for the arguments that numpy writes."""
    arguments, name = stack.pop(), stack.pop()
    if not isinstance(name, _Name) or not isinstance(arguments, tuple):
        raise _RefusedError("it calls what is no name")
    match name.name, arguments:
        case "numpy dtype", (b"u1" | "u1", *_):
            stack.append(_Uint8())
        case "numpy _reconstruct", (_Name("numpy ndarray"), (0,), b"b" | "b"):
            stack.append(_Array())
        case "_codecs encode", (str() as text, "latin1" | b"latin1"):
            stack.append(text.encode("latin-1"))
        case _:
            raise _RefusedError(f"it calls {name.name.replace(' ', '.')} with other arguments than a uint8 array has")


def _build(stack: list[Any]) -> None:
    """Fills an array: version, shape, type, whether the first axis runs fastest, bytes."""
    state, target = stack.pop(), stack[-1]
    match target, state:
        case _Uint8(), (int(), b"|" | "|", None, None, None, -1, -1, 0):
            return
        case _Array(content=None), (int(), tuple() as shape, _Uint8(), bool() as fortran, bytes() as content):
            if not all(isinstance(length, int) and 0 <= length <= MAX_BYTES for length in shape) or len(shape) > 4:
                raise _RefusedError(f"an array of {len(shape)} axes or of lengths that cannot be")
            if math.prod(shape) != len(content):
                raise _RefusedError(f"an array of shape {shape} with {len(content)} bytes")
            target.content = np.frombuffer(content, np.uint8).reshape(shape, order="F" if fortran else "C")
        case _:
            raise _RefusedError("it sets the state of something else than a uint8 array")


def _bytes(text: str) -> bytes:
    return text.encode("latin-1")


_VALUES: dict[str, Callable[[Any], Any]] = {
    "NONE": lambda _: None,
    "NEWTRUE": lambda _: True,
    "NEWFALSE": lambda _: False,
    "EMPTY_DICT": lambda _: {},
    "EMPTY_LIST": lambda _: [],
    "EMPTY_TUPLE": lambda _: (),
    "MARK": lambda _: _MARK,
    "GLOBAL": _name,
    "SHORT_BINSTRING": _bytes,  # Python 2's `str`, which pickletools decodes as Latin-1
    "BINSTRING": _bytes,
} | {
    kind: lambda value: value
    for kind in (
        *("BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT"),
        *("BINUNICODE", "SHORT_BINUNICODE", "BINBYTES", "SHORT_BINBYTES"),
    )
}
_STEPS: dict[str, Callable[[list[Any]], None]] = {
    "APPEND": lambda stack: _append(stack, [stack.pop()]),
    "APPENDS": lambda stack: _append(stack, _since_mark(stack)),
    "SETITEM": lambda stack: _set(stack, [stack.pop(-2), stack.pop()]),
    "SETITEMS": lambda stack: _set(stack, _since_mark(stack)),
    "TUPLE": lambda stack: stack.append(tuple(_since_mark(stack))),
    "TUPLE1": _tuple(1),
    "TUPLE2": _tuple(2),
    "TUPLE3": _tuple(3),
    "STACK_GLOBAL": _global,
    "REDUCE": _reduce,
    "BUILD": _build,
}
