"""CIFAR's pickles are read without unpickling: what Python 2 wrote comes back, what would run code is refused."""

import collections
import copyreg
import functools
import io
import os
import pickle
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nastk.data.sources import pickled
from nastk.data.sources.pickled import read_pickled
from nastk.errors import UserError
from tests.data.python2 import python2_pickle

# What Python 2.7.18 and numpy 1.16.6 wrote: cPickle.dumps(..., 2) of the two dictionaries below.
OF_PYTHON_2 = (
    b"\x80\x02}q\x01(U\x0bbatch_labelq\x02U\x15training batch 1 of 5q\x03U\x06labelsq\x04]q\x05(K\x03M,\x01Jp\x11\x01"
    b"\x00J\xff\xff\xff\xffeU\x04dataq\x06cnumpy.core.multiarray\n_reconstruct\nq\x07cnumpy\nndarray\nq\x08K\x00\x85U\x01b"
    b"\x87Rq\t(K\x01K\x02K\x03\x86cnumpy\ndtype\nq\nU\x02u1K\x00K\x01\x87Rq\x0b(K\x03U\x01|NNNJ\xff\xff\xff\xff"
    b"J\xff\xff\xff\xffK\x00tb\x89U\x06\x00\x01\x02\x03\x04\x05tbU\tfilenamesq\x0c]q\r(U\x05a.pngq\x0eT,\x01\x00\x00"
    + b"x" * 300
    + b"q\x0feu."
)
OF_PYTHON_2_FORTRAN = (
    b"\x80\x02}q\x01U\x04dataq\x02cnumpy.core.multiarray\n_reconstruct\nq\x03cnumpy\nndarray\nq\x04K\x00\x85U\x01b"
    b"\x87Rq\x05(K\x01K\x02K\x03\x86cnumpy\ndtype\nq\x06U\x02u1K\x00K\x01\x87Rq\x07(K\x03U\x01|NNNJ\xff\xff\xff\xff"
    b"J\xff\xff\xff\xffK\x00tb\x88U\x06\x00\x03\x01\x04\x02\x05tbs."
)
STATE = OF_PYTHON_2_FORTRAN.index(b"(K\x01K\x02K\x03")  # from here on the array is filled
PIXELS = np.arange(6, dtype=np.uint8).reshape(2, 3)
CONTENT = {
    "batch_label": "training batch 1 of 5",
    "labels": [3, 300, 70000, -1],
    "data": PIXELS,
    "filenames": ["a.png", "x" * 300],
}


def read(folder: Path, content: bytes) -> dict[str, Any]:
    (folder / "batch").write_bytes(content)
    return read_pickled("cifar10", folder / "batch")


def test_the_tests_write_what_python_2_wrote() -> None:
    assert python2_pickle(CONTENT) == OF_PYTHON_2
    assert python2_pickle({"data": np.asfortranarray(PIXELS)}) == OF_PYTHON_2_FORTRAN


@pytest.mark.parametrize("content", [OF_PYTHON_2, OF_PYTHON_2_FORTRAN])
def test_what_python_2_wrote_is_read_as_pickle_reads_it(tmp_path: Path, content: bytes) -> None:
    expected = {key.decode(): value for key, value in pickle.loads(content, encoding="bytes").items()}
    found = read(tmp_path, content)
    assert found.keys() == expected.keys()
    for key, value in expected.items():
        assert np.array_equal(found[key], value) if key == "data" else found[key] == value


@pytest.mark.parametrize("protocol", [2, 3, 4])
def test_a_set_written_again_by_python_3_is_read(tmp_path: Path, protocol: int) -> None:
    for content in ({b"data": PIXELS, b"labels": [1, 2]}, {"data": PIXELS, "labels": [1, 2]}):
        found = read(tmp_path, pickle.dumps(content, protocol))
        assert np.array_equal(found["data"], PIXELS)
        assert found["labels"] == [1, 2]


class Calls:
    """Pickles as a call."""

    def __init__(self, function: Callable[..., Any], *arguments: Any, state: Any = None) -> None:
        self.call = (function, arguments) if state is None else (function, arguments, state)

    def __reduce__(self) -> Any:
        return self.call


class Persistent(pickle.Pickler):
    """Writes every string as a persistent id."""

    def persistent_id(self, obj: Any) -> Any:
        return 7 if isinstance(obj, str) else None


class WithSlots:
    __slots__ = ("a",)

    def __init__(self) -> None:
        self.a = 1


def persistent() -> bytes:
    out = io.BytesIO()
    Persistent(out, 2).dump({"data": "x"})
    return out.getvalue()


def malicious(target: Path) -> dict[str, bytes]:
    """Pickles that would make the file `target`, or another harm, when unpickled."""
    command = f"touch {target}"
    code = f"open({str(target)!r}, 'w')"
    system = Calls(os.system, command)
    objects = np.empty(2, dtype=object)
    objects[0] = system
    fields = np.zeros(2, dtype=[("a", "u1"), ("b", "O")])
    fields["b"][0] = system
    python2 = OF_PYTHON_2
    return {
        **{f"os.system, protocol {number}": pickle.dumps({"data": system}, number) for number in range(6)},
        "at the top": pickle.dumps(system, 2),
        "eval": pickle.dumps({"data": Calls(eval, code)}, 2),
        "exec by Python 2's name": python2.replace(b"cnumpy\ndtype\n", b"c__builtin__\neval\n"),
        "nested": pickle.dumps([[{"a": ({"b": Calls(list, Calls(map, eval, [code]))},)}]], 2),
        "a dictionary's key": pickle.dumps({Calls(eval, code): 1}, 2),
        "partial": pickle.dumps({"data": Calls(functools.partial, os.system, command)}, 4),
        "object array": pickle.dumps({"data": objects}, 2),
        "record array": pickle.dumps({"data": fields}, 4),
        "copyreg": pickle.dumps({"data": Calls(copyreg.add_extension, "os", "system", 240)}, 2),
        "extension": b"\x80\x02\x82\xf0X\x01\x00\x00\x00x\x85R.",
        "persistent": persistent(),
        "object with state": pickle.dumps({"data": WithSlots()}, 2),
        "default factory": pickle.dumps(collections.defaultdict(os.getpid, a=1), 2),
        "attributes of a permitted name": pickle.dumps(
            Calls(np.dtype, "u1", state=(3, "|", None, None, None, -1, -1, 63)), 2
        ),
        "instance": b"(S'" + command.encode() + b"'\nios\nsystem\n.",
        "object instruction": b"(cos\nsystem\nS'" + command.encode() + b"'\no.",
        "getattr through numpy": b"\x80\x04\x8c\x05numpy\x8c\x13ndarray.__class__.x\x93.",
        "numpy's own loader": b"\x80\x02cnumpy\nload\nX\x05\x00\x00\x00x.npy\x85R.",
        "numpy's runner": b"\x80\x02cnumpy.testing._private.utils\nrunstring\nX\x01\x00\x00\x00x}\x86R.",
        "a name called as another": b"\x80\x02cnumpy\nndarray\nK\x05\x85R.",
        "encode to a file": b"\x80\x02c_codecs\nencode\nX\x01\x00\x00\x00xX\x03\x00\x00\x00zip\x86R.",
        "state set on a name": b"\x80\x02cnumpy\ndtype\n}X\x01\x00\x00\x00aK\x01sb.",
        "bytes fewer than the shape": python2.replace(b"U\x06\x00\x01\x02\x03\x04\x05", b"U\x05\x00\x01\x02\x03\x04"),
        "a shape that cannot be": python2.replace(b"K\x02K\x03\x86", b"J\xff\xff\xff\xffJ\xfa\xff\xff\xff\x86"),
        "an array of lists of objects": pickle.dumps({"data": np.array([{"a": 1}, None], dtype=object)}, 4),
        "getattr of a module": b"\x80\x04cbuiltins\ngetattr\ncos\npath\nX\x04\x00\x00\x00join\x86R.",
        "slots set on a name": b"\x80\x02cnumpy\ndtype\nN}X\x04\x00\x00\x00nameX\x01\x00\x00\x00xs\x86b.",
        "an array filled twice": OF_PYTHON_2_FORTRAN[:-2] + OF_PYTHON_2_FORTRAN[STATE:-2] + b"s.",
        "another type": python2.replace(b"U\x02u1", b"U\x02O8"),
        "strings by reference": pickle.dumps({"data": bytearray(b"x")}, 5),
    }


@pytest.mark.parametrize("kind", sorted(malicious(Path("x"))))
def test_what_would_run_code_is_refused_in_one_line(tmp_path: Path, kind: str) -> None:
    target = tmp_path / "ran"
    with pytest.raises(UserError, match="refused, nothing of it was run") as caught:
        read(tmp_path, malicious(target)[kind])
    assert str(tmp_path / "batch") in str(caught.value)
    assert len(str(caught.value)) < 400
    assert not target.exists()


def test_the_malicious_pickles_do_harm_where_they_are_unpickled(tmp_path: Path) -> None:
    for kind in ("os.system, protocol 2", "eval", "object array", "nested"):
        target = tmp_path / kind.replace(" ", "_").replace(",", "")
        pickle.loads(malicious(target)[kind])
        assert target.exists(), kind


@pytest.mark.parametrize(
    "content",
    [
        b"\x80\x02]" + b"r" + struct.pack("<I", 0xFFFFFFF0) + b".",  # a memo of 4 billion places
        b"\x80\x04\x8e" + struct.pack("<Q", 1 << 62) + b"x.",  # bytes of 4 exabytes
        b"\x80\x02T" + struct.pack("<i", 0x7FFFFFFF) + b"x.",
        b"\x80\x02}" + b")" + b"0)" * 10 + b"\x85" * 100_000 + b"K\x01s.",  # a key whose hash would overflow the stack
        b"\x80\x02}K\x01\x85" + b"q\x00h\x00\x86" * 60 + b"K\x01s.",  # a key whose hash would take 2^60 steps
        b"\x80\x02}(" + b"K\x01)" + b"K\x01\x85" + b"q\x00h\x00\x86" * 60 + b"K\x01u.",  # the same, of several
        b"\x80\x02}(K\x01N" + b"u.",  # a key that is a number: many could have one hash
        b"\x80\x02})q\x00(uh\x00K\x01s.",  # what lies under a mark stays what it is
        b"\x80\x04\x95" + struct.pack("<Q", 1 << 40) + b"}.",  # a frame of a terabyte
        b"\x80\x02\x8b" + struct.pack("<i", 0x7FFFFFF0) + b"x.",  # a whole number of 2 GB
        b"\x80\x02cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nJ\xff\xff\xff\x7f\x85U\x01b\x87R.",
    ],
)
def test_bombs_of_memory_and_time_are_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(UserError):
        read(tmp_path, content)


def test_more_instructions_than_any_cifar_file_has_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pickled, "MAX_INSTRUCTIONS", 1000)
    with pytest.raises(UserError, match="refused, nothing of it was run: more than 1000 instructions"):
        read(tmp_path, b"\x80\x02" + b"]" * 1001 + b".")


@pytest.mark.parametrize("keep", [*range(0, 553, 7), 552])
def test_a_file_cut_anywhere_is_one_line(tmp_path: Path, keep: int) -> None:
    with pytest.raises(UserError, match=r"batch: cut short or no CIFAR pickle"):
        read(tmp_path, OF_PYTHON_2[:keep])


def test_a_damaged_file_is_one_line_or_read(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    for _ in range(300):
        content = bytearray(OF_PYTHON_2)
        for place in generator.integers(0, len(content), 3):
            content[place] = generator.integers(256)
        try:
            read(tmp_path, bytes(content))
        except UserError as error:
            assert "\n" not in str(error)


def test_a_file_that_holds_something_else_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds a list, expected a dictionary"):
        read(tmp_path, pickle.dumps([1], 2))


def test_a_huge_file_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "batch").open("wb") as file:
        file.truncate((1 << 30) + 1)
    with pytest.raises(UserError, match="1073741825 bytes, expected at most"):
        read_pickled("cifar10", tmp_path / "batch")


def test_keys_that_are_referred_to_are_read(tmp_path: Path) -> None:
    found = read(tmp_path, pickle.dumps({"a": {"b": 1, "c": "b"}, "b": ["a", "a"]}, 4))
    assert found == {"a": {"b": 1, "c": "b"}, "b": ["a", "a"]}


def test_instructions_without_sense_end_in_time(tmp_path: Path) -> None:
    for content in (
        b"]" * 300_000,
        b"(" * 150_000 + b"t" * 150_000,
        b"](" * 100_000 + b"e" * 100_000,
        b"K\x00" * 300_000,
    ):
        with pytest.raises(UserError):
            read(tmp_path, b"\x80\x02" + content + b"K\x01.")
