"""`build_engine.sh` is clean shell, and trtexec of TensorRT 10 and 11 has what it passes."""

from __future__ import annotations

import itertools
import subprocess
import sys
from pathlib import Path

import pytest

from nastk.deploy.runtimes.engine_file import HARDWARE, EngineSettings
from nastk.deploy.runtimes.trtexec import build_script, trtexec_arguments
from tests.deploy.trtexec import known_options

SHELLCHECK = Path(sys.executable).with_name("shellcheck")
SETTINGS = [
    EngineSettings((1, 2, 4), hardware, compatible)
    for hardware, compatible in itertools.product(HARDWARE, (False, True))
]
FILES = [("fp32", "model.onnx"), ("int8", "model of 'mine' & others.onnx")]


@pytest.mark.parametrize("version", ["10.16", "11.1"])
def test_every_argument_is_an_option_of_trtexec(version: str) -> None:
    known = known_options(version)
    for settings in SETTINGS:
        for argument in trtexec_arguments("model.onnx", (3, 32, 32), settings):
            name, equals, _ = argument.partition("=")
            assert name + equals in known, argument


def test_the_lists_of_options_tell_the_versions_apart() -> None:
    old, new = known_options("10.16"), known_options("11.1")
    assert {"--fp16", "--best", "--calib="} <= old - new
    assert {"--noCudaGraph", "--dryRun", "--atol="} <= new - old


def checked(script: str) -> str:
    command = [SHELLCHECK, "--shell=sh", "--enable=all", "--exclude=SC2250,SC2292", "-"]
    return subprocess.run(command, input=script, capture_output=True, text=True, check=False).stdout


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_shellcheck_finds_nothing(settings: EngineSettings) -> None:
    script = build_script(FILES, (3, 32, 32), settings)
    assert checked(script) == ""
    assert "SC2086" in checked(script.replace('"$trtexec"', "$trtexec"))
