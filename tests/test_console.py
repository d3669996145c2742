"""What an entry point prints: no control character reaches a terminal, and lost output is one line and no traceback."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import pytest
from tqdm import tqdm

from nastk.console import Visible, visible
from tests.commands import run

DESCRIBE = ("describe", "network=nasnet_a_mobile", "layers=none")
HELP = ("predict", "--help")
TITLE, CLEAR = "\x1b]0;owned\x07", "\x1b[2J"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"{TITLE}.png", r"\x1b]0;owned\x07.png"),
        (f"a{CLEAR}b", r"a\x1b[2Jb"),
        ("over\rwritten", r"over\rwritten"),
        ("\x9b2J\x7f\x00", r"\x9b2J\x7f\x00"),
        ("abc\u202egnp.exe", r"abc\u202egnp.exe"),
        ("Zürich 図 \t 'ok'\n", "Zürich 図 \t 'ok'\n"),
    ],
)
def test_control_characters_are_visible(text: str, shown: str) -> None:
    assert visible(text) == shown
    stream = io.StringIO()
    print(f"image {text}", file=Visible(stream), end="")
    assert stream.getvalue() == f"image {shown}"


def test_a_progress_bar_still_redraws_itself() -> None:
    stream = io.StringIO()
    for _ in tqdm(range(3), desc=f"a{CLEAR}", file=Visible(stream), mininterval=0, ascii=True):
        pass
    redrawn = stream.getvalue().split("\r")
    assert len(redrawn) >= 3
    assert all(r"a\x1b[2J: " in part for part in redrawn[1:])


def command(words: tuple[str, ...], redirection: str) -> subprocess.CompletedProcess[str]:
    line = f'exec "$0" -m nastk."$@" {redirection}'
    return subprocess.run(
        ["sh", "-c", line, sys.executable, *words], capture_output=True, text=True, check=False, timeout=300
    )


@pytest.mark.parametrize(
    ("words", "redirection", "said"),
    [
        (HELP, ">/dev/full", "No space left on device"),
        (DESCRIBE, ">/dev/full", "No space left on device"),
        (HELP, ">&-", "standard output is closed"),
        (HELP, "1</dev/null", "Bad file descriptor"),
    ],
)
def test_lost_output_is_one_line(words: tuple[str, ...], redirection: str, said: str) -> None:
    ended = command(words, redirection)
    assert ended.returncode == 2
    assert said in ended.stderr
    assert ended.stderr.startswith("nastk: ")
    assert ended.stderr.count("\n") == 1


def test_a_closed_standard_error_changes_nothing_else() -> None:
    ended, closed = command(HELP, ""), command(HELP, "2>&-")
    assert (closed.returncode, closed.stdout) == (0, ended.stdout)


@pytest.mark.parametrize("redirection", ["2>&-", "2>/dev/full", "<&- >&- 2>&-"])
def test_a_mistake_that_cannot_be_told_is_an_exit_code(redirection: str) -> None:
    ended = command(("predict", "none"), redirection)
    assert (ended.returncode, ended.stdout, ended.stderr) == (2, "", "")


def test_a_path_that_is_too_long_is_one_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    name = "a" * 300
    assert "File name too long" in run(capsys, "describe", f"genotype={name}").line
    assert "File name too long" in run(capsys, "predict", f"model={name}", "images=.").line
    assert "File name too long" in run(capsys, "report", f"run={name}", f"runs={tmp_path}").line
