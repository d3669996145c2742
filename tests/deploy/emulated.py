"""A Python for 64-bit Arm that qemu runs on this machine, made by scripts/aarch64 once a session of tests."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "aarch64"
MADE = "NASTK_AARCH64"  # names the folder of one that is there already


def arm_python(folder: Path, *packages: str) -> Path:
    """Returns the program, made in `folder` where none is there; skips the test where that cannot be."""
    if os.environ.get(MADE):
        return Path(os.environ[MADE]) / "python"
    if not (shutil.which("qemu-aarch64-static") or shutil.which("qemu-aarch64")) or not shutil.which("apt-get"):
        pytest.skip("needs qemu-user-static and apt-get")
    environment = {**os.environ, "PYTHON": sys.executable}
    command = [SCRIPT, folder, *packages]
    made = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if made.returncode:
        pytest.skip(f"no Arm packages to be had: {made.stderr[-200:]}")
    return folder / "python"
