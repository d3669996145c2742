"""Commands of one machine that measure on one device take turns, whatever each calls the device."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from nastk.deploy.runtimes import host_lock
from nastk.deploy.runtimes.farm_member import lock_of
from nastk.deploy.runtimes.farm_task import Timed
from nastk.deploy.runtimes.host_lock import locked, unlocked
from nastk.deploy.runtimes.phone_timing import quick_on_phone
from nastk.deploy.runtimes.remote_result import RemoteResult
from nastk.deploy.targets import RemoteTarget
from tests.deploy.adbd import Adbd
from tests.deploy.targets.test_adb import target

Capture = pytest.CaptureFixture[str]
Released = list[str]


def board(host: str, identity: str | None) -> RemoteTarget:
    made = RemoteTarget(host, of="cpu")
    made.__dict__["_alone"] = RemoteResult({}, 1, {"onnxruntime": "1.31.1"}, {"emulated": None}, identity=identity)
    return made


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Released]:
    """Takes the lock of a device, and gives it back once somebody waits for it, which is then noted."""

    def take(name: str) -> Released:
        handle, waited = locked(lock_of(name)), Released()
        assert handle is not None

        def sleep(seconds: float) -> None:
            if not waited:
                unlocked(handle)
            waited.append("waited")

        monkeypatch.setattr(host_lock, "time", SimpleNamespace(sleep=sleep))  # nobody else's
        return waited

    return take


@pytest.mark.parametrize(("identity", "name"), [("boot 7", "boot 7"), (None, "pi")])
def test_a_single_host_is_measured_on_by_one_command_at_a_time(
    taken: Callable[[str], Released], capsys: Capture, identity: str | None, name: str
) -> None:
    waited = taken(name)

    def job(host: str) -> Timed[bool]:
        assert waited == ["waited"], "the other one is done"
        return Timed(locked(lock_of(name)) is None, 1.0, None)

    assert board("pi", identity)._run(job) == ("pi", True), "no third one measures meanwhile"
    assert capsys.readouterr().err == "note: remote pi: another command measures there; this one waits for its turn\n"
    handle = locked(lock_of(name))
    assert handle is not None
    unlocked(handle)


def test_a_phone_is_measured_on_by_one_command_at_a_time(
    phone: Adbd, taken: Callable[[str], Released], tmp_path: Path, capsys: Capture
) -> None:
    how, name = target(tmp_path)._how, f"adb {phone.serial}"
    waited, while_running = taken(name), []
    phone.before = lambda command: while_running.append((list(waited), locked(lock_of(name))))
    assert quick_on_phone(how, "a.x", b"one", 0.02).p50_ms > 0
    assert while_running and all(before == ["waited"] and lock is None for before, lock in while_running)
    assert f"note: {name}: another command measures there" in capsys.readouterr().err


def test_where_no_lock_can_be_made_it_is_measured_all_the_same(locks: Path, capsys: Capture) -> None:
    locks.write_text("no folder")
    assert board("pi", None)._run(lambda host: Timed(host, 1.0, None)) == ("pi", "pi")
    said = capsys.readouterr().err
    assert said.startswith("note: remote pi: ") and said.endswith("may measure there at the same time\n")
