"""Reads the pickles of CIFAR's python version: an unpickler that knows four names, and builds uint8 arrays only.

A pickle is a program. `pickletools` first takes it apart without running it: an instruction that CIFAR's files do not
need ends the reading, and so does what asks for much memory or time. Then `pickle` carries it out, and what it takes
for numpy's functions and types are the few lines below.
"""

from __future__ import annotations

import math
import pickle
import pickletools
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from nastk.errors import UserError
from nastk.outside import opened

MAX_BYTES = 1 << 30
MAX_INSTRUCTIONS = 1_000_000  # CIFAR-100's training file has about 200,000
TEXT = ("BINSTRING", "SHORT_BINSTRING", "BINUNICODE", "SHORT_BINUNICODE", "BINBYTES", "SHORT_BINBYTES")
KEYS = (*TEXT, "REDUCE")  # as which Python 3 writes bytes in protocol 2
PUTS, GETS = ("BINPUT", "LONG_BINPUT"), ("BINGET", "LONG_BINGET")
INSTRUCTIONS = {
    *("PROTO", "FRAME", "STOP", "MARK", "NONE", "NEWTRUE", "NEWFALSE", "BININT", "BININT1", "BININT2", "LONG1"),
    *("BINFLOAT", *TEXT, "EMPTY_DICT", "EMPTY_LIST", "EMPTY_TUPLE", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3", "APPEND"),
    *("APPENDS", "SETITEM", "SETITEMS", "MEMOIZE", *PUTS, *GETS, "GLOBAL", "STACK_GLOBAL", "REDUCE", "BUILD"),
}
NAMES = {
    "numpy.core.multiarray _reconstruct": "numpy _reconstruct",
    "numpy._core.multiarray _reconstruct": "numpy _reconstruct",
    "numpy ndarray": "numpy ndarray",
    "numpy dtype": "numpy dtype",
    "_codecs encode": "_codecs encode",
}


class _RefusedError(Exception):
    """The pickle asks for something that a CIFAR file has no need of."""


class _Uint8:
    """What stands for `numpy.dtype("u1")`."""

    __slots__ = ()

    def __setstate__(self, state: object) -> None:
        match state:
            case (int(), b"|" | "|", None, None, None, -1, -1, 0):
                return
        raise _RefusedError("it sets the state of something else than a uint8 array")


class _Array:
    """An array whose content comes with a later instruction."""

    __slots__ = ("content",)

    def __init__(self) -> None:
        self.content: NDArray[np.uint8] | None = None

    def __setstate__(self, state: object) -> None:
        """Fills the array: version, shape, type, whether the first axis runs fastest, bytes."""
        match self.content, state:
            case None, (int(), tuple() as shape, _Uint8(), bool() as fortran, bytes() as content):
                if not all(isinstance(length, int) and 0 <= length <= MAX_BYTES for length in shape) or len(shape) > 4:
                    raise _RefusedError(f"an array of {len(shape)} axes or of lengths that cannot be")
                if math.prod(shape) != len(content):
                    raise _RefusedError(f"an array of shape {shape} with {len(content)} bytes")
                self.content = np.frombuffer(content, np.uint8).reshape(shape, order="F" if fortran else "C")
            case _:
                raise _RefusedError("it sets the state of something else than a uint8 array")


class _Name:
    """What stands for one of `NAMES`: calling it does what numpy's own does for the arguments that numpy writes."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, *arguments: object) -> _Uint8 | _Array | bytes:
        match self.name, arguments:
            case "numpy dtype", (b"u1" | "u1", *_):
                return _Uint8()
            case "numpy _reconstruct", (_Name(name="numpy ndarray"), (0,), b"b" | "b"):
                return _Array()
            case "_codecs encode", (str() as text, "latin1" | b"latin1"):
                return text.encode("latin-1")
        raise _RefusedError(f"it calls {self.name.replace(' ', '.')} with other arguments than a uint8 array has")

    def __setstate__(self, state: object) -> None:
        raise _RefusedError("it sets the state of something else than a uint8 array")


class _Unpickler(pickle.Unpickler):
    """Builds plain values, text of Python 2 as bytes; of names it knows `NAMES` and imports none."""

    def __init__(self, file: IO[bytes]) -> None:
        super().__init__(file, encoding="bytes")

    def find_class(self, module: str, name: str) -> _Name:
        return _Name(_known(f"{module} {name}"))


def read_pickled(name: str, path: Path) -> dict[str, Any]:
    """Reads one file of the python version, as Python 2 or 3 writes it (protocols 2 to 4).

    Args:
        name: of the data source, for messages.
        path: the file.

    Returns:
        Its dictionary: text keys; values are None, bool, int, float, text or bytes (what Python 2 wrote as `str`),
        lists, tuples and dictionaries of them, and uint8 arrays.

    Raises:
        UserError: the file is missing, too large, cut short, no dictionary, or asks for anything else than such values.
    """
    try:
        with opened(path, MAX_BYTES) as file:
            _check_instructions(file)
            file.seek(0)
            result = _Unpickler(file).load()
    except UserError as error:
        raise UserError(f"data {name}: {error}") from None
    except _RefusedError as error:
        raise UserError(f"data {name}: {path}: refused, nothing of it was run: {error}") from None
    # What pickletools and pickle say of bytes that are no pickle, or not a whole one.
    except (pickle.UnpicklingError, EOFError, ValueError, LookupError, TypeError, AttributeError, MemoryError) as error:
        reason = " ".join(str(error).split())[:120] or type(error).__name__
        raise UserError(f"data {name}: {path}: cut short or no CIFAR pickle ({reason})") from None
    if not isinstance(result, dict):
        raise UserError(f"data {name}: {path}: holds a {type(result).__name__}, expected a dictionary")
    return {
        _text(key): value.content if isinstance(value, _Array) else value
        for key, value in result.items()
        if isinstance(key, str | bytes) and not isinstance(value, _Name | _Uint8)
    }


def _check_instructions(file: IO[bytes]) -> None:
    """Raises what it cannot be: too long, with other instructions, asking for memory, with keys that are no text.

    Keys are hashed as they are set: tuples within each other would take the stack for it, the same one again and again
    any time, and so would numbers that collide. Therefore this follows which instruction made each value.
    """
    stack: list[str] = []
    marks: list[int] = []
    memo: dict[int, str] = {}
    argument: Any
    for count, (instruction, argument, _) in enumerate(pickletools.genops(file)):
        what = instruction.name
        if count > MAX_INSTRUCTIONS:
            raise _RefusedError(f"more than {MAX_INSTRUCTIONS} instructions")
        if what not in INSTRUCTIONS:
            raise _RefusedError(f"instruction {what}, which no CIFAR file has")
        if what == "GLOBAL":
            _known(argument)
        # `pickle` makes room for as many values as the number under which one is kept, and for all bytes of a frame.
        if (what in PUTS and argument > MAX_INSTRUCTIONS) or (what == "FRAME" and argument > MAX_BYTES):
            raise _RefusedError(f"{what} of {argument}, more than any CIFAR file has")
        if what == "MARK":
            marks.append(len(stack))
        elif what in PUTS or what == "MEMOIZE":
            memo[argument if what in PUTS else len(memo)] = stack[-1]
        elif what in GETS:
            stack.append(memo[argument])
        else:
            taken = _taken(stack, marks, instruction.stack_before)
            if what in ("SETITEM", "SETITEMS") and not all(made_by in KEYS for made_by in taken[1::2]):
                raise _RefusedError("a key that is no text")
            stack += [what] * len(instruction.stack_after)


def _taken(stack: list[str], marks: list[int], before: list[pickletools.StackObject]) -> list[str]:
    """Takes off the stack what an instruction does: so many values, or those above the last mark."""
    if pickletools.markobject in before:
        start = marks.pop() - before.index(pickletools.markobject)
    else:
        start = len(stack) - len(before)
    if start < (marks[-1] if marks else 0):
        raise IndexError("the stack is empty")
    taken = stack[start:]
    del stack[start:]
    return taken


def _known(asked: str) -> str:
    """Returns what stands for a module and a name in it, with a space between."""
    if asked not in NAMES:
        raise _RefusedError(
            f"it asks for {asked.replace(' ', '.')[:80]!r}, expected arrays, lists, numbers and text only"
        )
    return NAMES[asked]


def _text(key: str | bytes) -> str:
    return key.decode("latin-1") if isinstance(key, bytes) else key
