"""Writes the pickles of CIFAR's python version byte for byte as Python 2.7's cPickle and numpy 1.16 do."""

from __future__ import annotations

import struct

import numpy as np

BATCH = 1000


class Writer:
    """Protocol 2; `put` numbers what later instructions could refer to."""

    def __init__(self) -> None:
        self.out = bytearray(b"\x80\x02")
        self.count = 0

    def put(self) -> None:
        self.count += 1
        self.out += b"q" + bytes((self.count,)) if self.count < 256 else b"r" + struct.pack("<I", self.count)

    def text(self, text: str | bytes, put: bool = True) -> None:
        data = text.encode() if isinstance(text, str) else text
        self.out += (b"U" + bytes((len(data),)) if len(data) < 256 else b"T" + struct.pack("<i", len(data))) + data
        if put:
            self.put()

    def number(self, value: int) -> None:
        if 0 <= value < 256:
            self.out += b"K" + bytes((value,))
        elif 0 <= value < 65536:
            self.out += b"M" + struct.pack("<H", value)
        else:
            self.out += b"J" + struct.pack("<i", value)

    def array(self, array: np.ndarray) -> None:
        self.out += b"cnumpy.core.multiarray\n_reconstruct\n"
        self.put()
        self.out += b"cnumpy\nndarray\n"
        self.put()
        self.out += b"K\x00\x85U\x01b\x87R"
        self.put()
        self.out += b"("
        self.number(1)
        for length in array.shape:
            self.number(length)
        self.out += {1: b"\x85", 2: b"\x86"}[array.ndim] + b"cnumpy\ndtype\n"
        self.put()
        self.out += b"U\x02u1K\x00K\x01\x87R"
        self.put()
        self.out += b"(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
        fortran = array.flags.f_contiguous and not array.flags.c_contiguous
        self.out += b"\x88" if fortran else b"\x89"
        self.text(array.tobytes(order="F" if fortran else "C"), put=False)
        self.out += b"tb"

    def items(self, values: list[int] | list[str]) -> None:
        self.out += b"]"
        self.put()
        for start in range(0, len(values), BATCH):
            self.out += b"("
            for value in values[start : start + BATCH]:
                self.number(value) if isinstance(value, int) else self.text(value)
            self.out += b"e"

    def dictionary(self, content: dict[str, object]) -> bytes:
        self.out += b"}"
        self.put()
        self.out += b"(" if len(content) > 1 else b""
        for key, value in content.items():
            self.text(key)
            if isinstance(value, np.ndarray):
                self.array(value)
            elif isinstance(value, list):
                self.items(value)
            elif isinstance(value, int):
                self.number(value)
            else:
                self.text(str(value))
        return bytes(self.out + (b"u." if len(content) > 1 else b"s."))


def python2_pickle(content: dict[str, object]) -> bytes:
    """The pickle of a dictionary of uint8 arrays, lists of numbers or text, numbers and text."""
    return Writer().dictionary(content)
