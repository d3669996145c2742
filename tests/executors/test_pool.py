"""A worker process begins with nothing of the program that starts it."""

from __future__ import annotations

import functools
import sys
import types
from pathlib import Path

import pytest

from nastk.executors.pool import Pool
from tests.executors.scripted import Scripted


def test_a_worker_does_not_run_the_users_script_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script, trace = tmp_path / "script.py", tmp_path / "it ran"
    script.write_text(f"open({str(trace)!r}, 'w').close()")
    program = types.ModuleType("__main__")
    program.__file__ = str(script)
    monkeypatch.setitem(sys.modules, "__main__", program)
    pool = Pool(functools.partial(Scripted, tmp_path, {}), None)
    try:
        pool.prepared.result(timeout=300)
    finally:
        pool.close()
    assert len(list(tmp_path.glob("start-*"))) == 1 and not trace.exists()
    assert sys.modules["__main__"] is program
