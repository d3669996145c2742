"""Runs an entry point inside the test's process, as the command line would."""

from __future__ import annotations

import importlib
import re
import sys
from dataclasses import dataclass

import pytest


@dataclass(frozen=True)
class Outcome:
    """What a command printed and its exit code."""

    code: int
    out: str
    err: str

    @property
    def line(self) -> str:
        """The one line of a user's mistake; fails the test where it is not one line with exit code 2."""
        assert self.code == 2, (self.code, self.out, self.err)
        assert "Traceback" not in self.err
        lines = [line for line in self.err.splitlines() if line.startswith("nastk: ")]
        assert len(lines) == 1, self.err
        assert self.err.rstrip().endswith(lines[0])
        return lines[0]


def run(capsys: pytest.CaptureFixture[str], entry: str, *arguments: str) -> Outcome:
    """Runs `python -m nastk.<entry> <arguments>`."""
    capsys.readouterr()
    code = 0
    try:
        call(entry, *arguments)
    except SystemExit as stop:
        code = int(stop.code or 0)
    printed = capsys.readouterr()
    return Outcome(code, printed.out, re.sub(r"\x1b\[[0-9;]*m", "", printed.err))


def call(entry: str, *arguments: str) -> None:
    """Runs `python -m nastk.<entry> <arguments>` where nothing is captured, as in a fixture of a module."""
    module = importlib.import_module(f"nastk.{entry}")
    before = sys.argv
    sys.argv = [f"nastk.{entry}", *arguments]
    try:
        module.main()
    finally:
        sys.argv = before
