"""Which phone is meant, what it says of itself, and whether it is cool: a stand-in behind a real adb server."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from nastk.deploy.runtimes import phone_facts
from nastk.deploy.runtimes.phone import Listed, chosen, open_phone
from nastk.errors import UserError
from tests.deploy.adbd import Adbd
from tests.deploy.phone import CLOCKS, adb, make_phone, write


def test_as_many_of_the_fastest_cores_as_threads_need_are_taken(phone: Adbd) -> None:
    facts = phone_facts.phone_facts(open_phone(phone.serial))
    found = [[core.number for core in facts.fastest(threads)] for threads in (1, 2, 4, 5, 0, 99)]
    everything = list(range(len(CLOCKS)))
    assert found == [[7], [4, 5, 6, 7], [4, 5, 6, 7], everything, everything, everything]
    assert facts.celsius == 41.0, "the processor's warmest zone, not the USB port's, nor one that is off"
    for path in (phone.home / "sys/class/thermal").glob("*/temp"):
        path.unlink()
    assert phone_facts.phone_facts(open_phone(phone.serial)).celsius == 28.5, "the battery's"


def test_a_phone_that_is_too_hot_is_waited_for_and_then_refused(phone: Adbd) -> None:
    zone, waits = "sys/class/thermal/thermal_zone0/temp", []

    def cool(seconds: float) -> None:
        waits.append(seconds)
        write(phone, zone, 61_000 - 10_000 * len(waits))

    there = open_phone(phone.serial)
    write(phone, zone, 61_000)
    assert phone_facts.cooled(there, 45, 120, cool).celsius == 41.0 and waits == [3.0, 3.0]
    write(phone, zone, 61_000)
    with pytest.raises(
        UserError, match=r"61 degrees Celsius after waiting 4 s, expected at most 45; .*target\.celsius"
    ):
        phone_facts.cooled(there, 45, 4, lambda seconds: None)


def test_a_phone_whose_owner_has_not_allowed_it_is_named(server, tmp_path: Path) -> None:
    made = make_phone(tmp_path / "phone")
    made.authorized = False
    adb("connect", made.serial)
    try:
        with pytest.raises(UserError, match=f"adb {made.serial}: (unauthorized|not authorized yet|offline)"):
            open_phone(made.serial)
    finally:
        adb("disconnect", made.serial)
        made.unplug()


A, B = Listed("A1", "device"), Listed("B2", "device")


@pytest.mark.parametrize(
    ("listed", "serial", "message"),
    [
        ([], None, "no phone is attached; plug one in"),
        ([], "A1", r"no phone is attached \(A1 is wanted\)"),
        ([A, B], None, "2 phones are attached, target.serial=NAME says which: A1, B2"),
        ([A, B], "A2", "unknown phone in target.serial 'A2'; nearest is"),
        ([A, A], "A1", "2 phones are called A1; unplug one"),
        ([A, A], None, "2 phones are called A1"),
        ([Listed("A1", "unauthorized")], None, "adb A1: unauthorized: allow USB debugging"),
        ([Listed("A1", "offline")], "A1", "adb A1: offline"),
        ([Listed("A1", "recovery")], "A1", "state 'recovery', expected 'device'"),
    ],
)
def test_which_phone_is_meant_must_be_plain(listed: list[Listed], serial: str | None, message: str) -> None:
    with pytest.raises(UserError, match=message):
        chosen(listed, serial)
    assert chosen([A, B], "B2") == "B2" and chosen([A], None) == "A1"


def test_a_server_that_adb_starts_is_no_news(monkeypatch, capfd) -> None:
    class Client:
        def list(self) -> list[object]:
            os.write(2, b"* daemon not running; starting now at tcp:5037\n")
            return []

    monkeypatch.setattr(pytest.importorskip("adbutils"), "AdbClient", Client)
    with pytest.raises(UserError, match="no phone is attached"):
        open_phone(None)
    assert capfd.readouterr() == ("", "")
