"""A whole pipeline is watched from outside: there is no silence of 30 s, in lines, in JSON or in a terminal."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import time
from pathlib import Path

import pytest

MOST = 30.0
WORDS = (
    *("+space=mobile", "data=digits", "trials=3", "objective.max_params=60000", "controller.start_from=null"),
    *("evaluator.epochs=5", "training.epochs=15", "transfer.max_params=60000", "baselines=[mobilenet_v2]"),
    *("transfer.entrants=1", "export.qat.epochs=3", "export.sensitivity=true", "export.also=[arm]"),
    *("export.calibration_method=entropy", "bench.seconds=35"),
)


@pytest.mark.slow
@pytest.mark.parametrize("how", ["lines", "json", "view"])
def test_a_pipeline_is_never_silent_for_half_a_minute(how: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "nastk.pipeline", *WORDS, f"run={tmp_path / 'run'}"]
    command += ["log=json"] if how == "json" else []
    read, write = pty.openpty() if how == "view" else os.pipe()
    environment = {**os.environ, "TERM": "xterm-256color"}
    environment.pop("NO_COLOR", None)
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=write, env=environment, text=True)
    os.close(write)
    longest, after, last, word = 0.0, b"", b"", time.monotonic()
    while (part := _part(read)) and process.poll() is None:
        silence, word = time.monotonic() - word, time.monotonic()
        if silence > longest:
            longest, after = silence, last
        last = part
    os.close(read)
    assert process.stdout is not None and "Report: " in process.stdout.read()
    assert process.wait(60) == 0
    print(f"{how}: longest silence {longest:.1f} s, after {after[-200:].decode(errors='replace')!r}")
    assert longest < MOST


def _part(read: int) -> bytes:
    try:
        return os.read(read, 65536)
    except OSError:  # of a pseudo-terminal that nobody has open any more
        return b""
