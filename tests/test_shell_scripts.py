"""The repository's own shell scripts are clean, as ShellCheck finds it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = "scripts", "scripts/benchmarks", ".ci"


def shell_scripts() -> list[Path]:
    """Returns the files of the folders that begin with a line that names a shell."""
    files = [path for folder in FOLDERS for path in sorted((ROOT / folder).iterdir()) if path.is_file()]
    firsts = {path: path.read_bytes()[:40].partition(b"\n")[0] for path in files}
    return [path for path, first in firsts.items() if first.startswith(b"#!") and first.endswith((b"bash", b"sh"))]


def test_shellcheck_finds_nothing() -> None:
    scripts = shell_scripts()
    assert {"demo", "install", "test"} <= {path.name for path in scripts}
    command = [Path(sys.executable).with_name("shellcheck"), *scripts]
    assert subprocess.run(command, capture_output=True, text=True, check=False).stdout == ""
