"""A clock that stands still, and a small terminal: a pseudo-terminal that is read, and what its screen shows."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import termios
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

PIECE = re.compile(r"\x1b\[([\d;]*)([A-Za-z])|\r|\n|[^\x1b\r\n]+")


class Clock:
    """Seconds that go on when a test says so."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Screen:
    """What a program has written to a terminal, and the lines that stand there: of all it draws with it knows what
    rich uses to draw a view anew, and refuses the rest."""

    def __init__(self) -> None:
        self.written = ""

    @property
    def lines(self) -> list[str]:
        """The lines, without empty ones at the end."""
        lines, row, column = [""], 0, 0
        position = 0
        while position < len(self.written):
            match = PIECE.match(self.written, position)
            assert match is not None, repr(self.written[position : position + 20])
            position = match.end()
            count, code = match[1], match[2]
            if match[0] == "\r":
                column = 0
            elif match[0] == "\n":
                row, lines = row + 1, [*lines, ""] if row + 1 == len(lines) else lines
            elif code == "A":
                row -= int(count or 1)
            elif code == "K":
                lines[row] = ""
            elif code is None:
                lines[row] = lines[row].ljust(column)[:column] + match[0] + lines[row][column + len(match[0]) :]
                column += len(match[0])
            else:
                assert code == "m", match[0]
        return [line.rstrip() for line in "\n".join(lines).rstrip().splitlines()]


@contextmanager
def terminal(columns: int = 80, rows: int = 24) -> Iterator[tuple[TextIO, Screen]]:
    """Opens a pseudo-terminal; yields a stream that writes to it, and its screen, which is whole after the block."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    screen, parts = Screen(), bytearray()

    def read() -> None:
        while True:
            try:
                part = os.read(master, 65536)
            except OSError:
                return
            if not part:
                return
            parts.extend(part)

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    stream = os.fdopen(slave, "w", encoding="utf-8")
    try:
        yield stream, screen
    finally:
        stream.close()
        reader.join(10)
        os.close(master)
        screen.written = parts.decode().replace("\r\n", "\n\r")
