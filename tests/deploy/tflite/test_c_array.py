"""The array in C: compiled by the system's compiler, its bytes are those of the file."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path

import pytest

from nastk.deploy.tflite.c_array import c_array

DATA = bytes(range(256)) * 3 + b"\x00\xff"
PROGRAM = """
#include <stdint.h>
#include <stdio.h>
#include "array.h"
int main(void) {
  if ((uintptr_t)array % 16 != 0 || sizeof(array) != array_len || ARRAY_ZERO != -3 || ARRAY_SCALE != 0.25f) return 1;
  return fwrite(array, 1, array_len, stdout) == array_len ? 0 : 1;
}
"""


def written(folder: Path) -> tuple[str, str]:
    header, source = c_array(DATA, "array", "array.h", {"SCALE": 0.25, "ZERO": -3})
    (folder / "array.h").write_text(header)
    (folder / "array.c").write_text(source)
    return header, source


@pytest.mark.parametrize(("compiler", "language"), [("cc", "c"), ("c++", "c++")])
def test_a_compiler_reads_the_bytes_back_aligned(tmp_path: Path, compiler: str, language: str) -> None:
    if shutil.which(compiler) is None:
        pytest.skip(f"no {compiler}")
    written(tmp_path)
    (tmp_path / "main.c").write_text(PROGRAM)
    standard = "-std=c11" if language == "c" else "-std=c++11"
    command = [compiler, standard, "-Wall", "-Werror", "-x", language, "main.c", "array.c", "-o", "program"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    assert subprocess.run([tmp_path / "program"], check=True, capture_output=True).stdout == DATA


def test_length_and_hash_stand_at_the_top_of_both(tmp_path: Path) -> None:
    for text in written(tmp_path):
        assert f"{len(DATA)} bytes, SHA-256 {hashlib.sha256(DATA).hexdigest()}" in text.splitlines()[0]
        assert max(map(len, text.splitlines())) < 120
