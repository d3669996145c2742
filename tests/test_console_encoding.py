"""Whatever the encoding of stdout, an entry point prints every name."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

PLAIN = """
from dataclasses import dataclass
from nastk.cli.plain import launch_without_hydra

@dataclass
class Settings:
    name: str = "größe 猫"

def job(settings):
    print(settings.name)
    return 0

launch_without_hydra(Settings, job, "", ())
"""
HYDRA = """
from nastk.cli.launch import launch

def job(config):
    print("größe 猫")

launch("describe", job)
"""


@pytest.mark.parametrize("code", [PLAIN, HYDRA], ids=["plain", "hydra"])
@pytest.mark.parametrize(
    ("encoding", "expected"),
    [("ascii", r"gr\xf6\xdfe \u732b"), ("cp1252", r"größe \u732b"), ("utf-8", "größe 猫"), ("ascii:strict", None)],
)
def test_a_letter_that_the_encoding_lacks_is_escaped(tmp_path: Path, code: str, encoding: str, expected) -> None:
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    ran = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, check=False)
    assert ran.returncode == 0, ran.stderr.decode()
    assert ran.stdout.decode(encoding.partition(":")[0]).rstrip() == (expected or r"gr\xf6\xdfe \u732b")


def test_a_path_that_is_no_utf8_is_printed(tmp_path: Path) -> None:
    code = PLAIN.replace("größe 猫", r"a\udcffb")
    environment = {**os.environ, "PYTHONIOENCODING": "utf-8"}
    ran = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, check=False)
    assert ran.returncode == 0 and ran.stdout == b"a\\udcffb\n"
