"""Answers of another machine are believed only where they have the form of a measurement."""

from __future__ import annotations

import json
from typing import Any

import pytest

from nastk.deploy.runtimes.machine import machine_facts
from nastk.deploy.runtimes.remote_measure import MARK
from nastk.deploy.runtimes.remote_result import read_result
from nastk.errors import UserError

GOOD: dict[str, Any] = {
    "nanoseconds": {"0.onnx": [[1_000_000, 2_000_000], [3], [4]]},
    "threads": 4,
    "versions": {"python": "3.9.2", "onnxruntime": "1.19.2", "numpy": "1.26"},
    "machine": {"processor": "Raspberry Pi 4", "cores": 4, "load": 0.5, "governor": None},
}


def said(**changes: Any) -> str:
    return MARK + json.dumps({**GOOD, **changes})


def test_a_measurement_is_read_whatever_the_login_shell_prints() -> None:
    found = read_result("board", f"Welcome!\n{MARK}nonsense\n{said()}\ngoodbye\n", ["0.onnx"])
    assert found.seconds == {"0.onnx": ((0.001, 0.002), (3e-9,), (4e-9,))}
    assert found.threads == 4 and found.versions["onnxruntime"] == "1.19.2" and found.machine["cores"] == 4


@pytest.mark.parametrize(
    ("printed", "message"),
    [
        ("", "no measurement in what it printed \\(nothing\\)"),
        ("bash: \033[1mwhat?", r"no measurement in what it printed \(bash: \[1mwhat\?\)"),
        (f"{MARK}{{", "malformed"),
        (f"{MARK}[]", "malformed"),
        (MARK + "[" * 100_000, "malformed"),
        (f'{MARK}{{"error": "numpy cannot be imported\\u001b[2J"}}', r"remote board: numpy cannot be imported\[2J"),
        (said(nanoseconds={}), "timed other files than those asked for, expected 0.onnx"),
        (said(nanoseconds={"0.onnx": [[1], [1], [1]], "x": []}), "timed other files"),
        (said(nanoseconds={"0.onnx": [[1], [1]]}), "times of 0.onnx are malformed"),
        (said(nanoseconds={"0.onnx": [[1], [1], []]}), "times of 0.onnx are malformed"),
        (said(nanoseconds={"0.onnx": [[1], [1], [-1]]}), "times of 0.onnx are malformed"),
        (said(nanoseconds={"0.onnx": [[1], [1], [float("nan")]]}), "the answer is malformed"),
        (said(nanoseconds={"0.onnx": [[1], [1], [True]]}), "times of 0.onnx are malformed"),
        (said(nanoseconds={"0.onnx": [[1], [1], ["1"]]}), "times of 0.onnx are malformed"),
        (said(nanoseconds={"0.onnx": [[1], [1], [10**20]]}), "times of 0.onnx are malformed"),
        (said(threads=0), "malformed"),
        (said(threads="1"), "malformed"),
        (said(versions={"python": "3"}), "malformed"),
        (said(versions=None), "malformed"),
        (said(machine={"cores": [1]}), "malformed"),
        (said(machine={"cores": 10**400}), "malformed"),
        (said(machine={"load": float("inf")}), "malformed"),
        (said(machine=3), "malformed"),
        (said(others="many"), "malformed"),
        (said(others=float("nan")), "malformed"),
    ],
)
def test_anything_else_is_refused_in_one_harmless_line(printed: str, message: str) -> None:
    with pytest.raises(UserError, match=message) as info:
        read_result("board", printed, ["0.onnx"])
    assert str(info.value).isprintable() and len(str(info.value)) < 500


def test_names_and_versions_are_stripped_of_control_characters() -> None:
    found = read_result("board", said(machine={"processor": "a\033[31mb", "x": "y" * 10**6}), ["0.onnx"])
    assert set(found.machine) == set(machine_facts())
    assert {name: value for name, value in found.machine.items() if value} == {"processor": "a[31mb"}
