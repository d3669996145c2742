"""A farm of machines: who may belong to it, who measures next, and who is left out."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from nastk.deploy.runtimes import farm as farms
from nastk.deploy.runtimes import farm_member
from nastk.deploy.runtimes.farm import Farm
from nastk.deploy.runtimes.farm_task import Timed
from nastk.deploy.runtimes.remote_machine import hot
from nastk.deploy.runtimes.remote_result import RemoteResult
from nastk.deploy.runtimes.remote_shell import HostFailed
from nastk.errors import UserError

PI = {"processor": "Raspberry Pi 4 Model B Rev 1.4", "architecture": "aarch64", "features": "asimd", "cores": 4}


@pytest.fixture(autouse=True)
def locks(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(farm_member, "LOCKS", tmp_path / "locks")


def about(identity: str | None, others: float = 0.0, hot: str | None = None, **machine: Any) -> RemoteResult:
    versions = {"python": "3.9", "numpy": "1.26", "onnxruntime": machine.pop("onnxruntime", "1.27.0")}
    return RemoteResult({}, 1, versions, {**PI, **machine}, others, hot, identity)


def opened(**abouts: RemoteResult | UserError) -> Farm:
    def ask(host: str) -> RemoteResult:
        found = abouts[host]
        if isinstance(found, UserError):
            raise found
        return found

    return Farm(list(abouts), ask)


def three(**changes: RemoteResult | UserError) -> Farm:
    return opened(**{host: about(host) for host in "abc"} | changes)


def taking(milliseconds: Callable[[str], float | None]) -> Callable[[str], Timed[str]]:
    """Returns a job; a machine without a time fails."""

    def job(host: str) -> Timed[str]:
        took = milliseconds(host)
        if took is None:
            raise HostFailed(f"remote {host}: SSH does not get there (No route to host)")
        return Timed(f"by {host}", took, None)

    return job


def test_work_goes_to_all_of_them_at_once_and_to_none_twice_at_a_time() -> None:
    farm, busy, lock = three(), set(), threading.Lock()
    farm.run(taking(lambda host: 1.0))
    together = threading.Barrier(3)

    def job(host: str) -> Timed[str]:
        with lock:
            assert host not in busy
            busy.add(host)
        together.wait(20)  # breaks where not all three measure
        with lock:
            busy.remove(host)
        return Timed(host, 1.0, None)

    with ThreadPoolExecutor(9) as pool:
        found = list(pool.map(lambda _: farm.run(job)[0], range(9)))
    assert {found.count(host) for host in "abc"} == {3}


def test_two_farms_of_one_machine_take_turns() -> None:
    one, other = opened(a=about("x")), opened(b=about("x"))  # another name, in another search
    order: list[str] = []

    def slow(host: str) -> Timed[None]:
        order.append(f"{host} begins")
        time.sleep(0.3)
        order.append(f"{host} ends")
        return Timed(None, 1.0, None)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda farm: farm.run(slow), [one, other]))
    assert order[0][0] == order[1][0] and order[2][0] == order[3][0]


def test_who_cannot_be_reached_is_left_out_at_the_start_and_all_gone_is_one_line(capsys) -> None:
    gone = HostFailed("remote b: SSH does not get there (Connection refused)")
    farm = three(b=gone)
    assert [member.host for member in farm.members] == ["a", "c"]
    assert capsys.readouterr().err == "remote b: SSH does not get there (Connection refused); it is left out\n"
    with pytest.raises(UserError, match=r"target\.hosts: none of 2 machines can measure: b: SSH .*; c: has no 'x'"):
        opened(b=gone, c=UserError("remote c: has no 'x'"))


def test_the_work_of_one_that_fails_goes_to_others_until_none_is_left(capsys) -> None:
    farm = three()
    farm.run(taking(lambda host: 1.0))
    down = {"a"}
    found = [farm.run(taking(lambda host: None if host in down else 1.0)) for _ in range(4)]
    assert {host for host, _ in found} == {"b", "c"} and all(value == f"by {host}" for host, value in found)
    assert capsys.readouterr().err.count("it is left out, its work goes to b, c") == 1
    down |= {"b", "c"}
    with pytest.raises(UserError, match=r"none of 3 machines can measure: a: SSH .*; b: SSH .*; c: SSH"):
        farm.run(taking(lambda host: None if host in down else 1.0))


def test_what_is_the_models_fault_leaves_nobody_out() -> None:
    farm = three()

    def refuses(host: str) -> Timed[None]:
        raise UserError(f"remote {host}: ONNX Runtime 1.17 cannot run the model")

    for _ in range(4):
        with pytest.raises(UserError, match="cannot run the model"):
            farm.run(refuses)
    assert len(farm) == 3


def test_one_that_is_busy_or_hot_rests_and_another_measures(capsys) -> None:
    farm = three()
    farm.run(taking(lambda host: 1.0))
    asked: list[str] = []

    def job(host: str) -> Timed[str]:
        asked.append(host)
        return Timed(host, 1.0, "it is hot: cpu-thermal is at 82 °C" if host == "a" else None)

    assert {farm.run(job)[0] for _ in range(6)} == {"b", "c"} and asked.count("a") == 1
    assert "remote a: it is hot: cpu-thermal is at 82 °C; it rests for 300 s" in capsys.readouterr().err


def test_where_all_are_busy_the_quickest_measurement_is_taken_with_its_doubt() -> None:
    farm = three()
    farm.run(taking(lambda host: 1.0))
    busy = {"a": 3.0, "b": 2.0, "c": 4.0}
    assert farm.run(lambda host: Timed(host, busy[host], "p50 varied"))[0] == "b"
    assert farm.run(lambda host: Timed(host, busy[host], "p50 varied"))[0] in busy, "none waits for ever"


def test_who_measured_last_is_whose_measurement_was_taken() -> None:
    farm = three()
    farm.run(taking(lambda host: 1.0))
    for quickest in "abc":
        found = farm.run(lambda host, best=quickest: Timed(host, 1.0 + (host != best), "p50 varied"))[0]
        assert farm.last.host == found, "an export says of this one that it timed the files"


def test_one_that_is_busy_at_the_start_is_asked_last(capsys) -> None:
    farm = three(a=about("a", others=7.0), b=about("b", hot="it is hot"))
    said = capsys.readouterr().err
    assert (
        "remote a: is busy, 7 others want to run on 4 cores; it rests" in said
        and "remote b: it is hot; it rests" in said
    )
    farm.run(taking(lambda host: 1.0))
    assert {farm.run(taking(lambda host: 1.0))[0] for _ in range(4)} == {"c"}


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (about("a"), r"a and b are one machine, expected different ones"),
        (about("b", processor="Raspberry Pi 5 Model B Rev 1.0"), r"processor of a is 'Raspberry Pi 4 Model B', of b"),
        (about("b", features="asimd asimddp"), r"features of a is 'asimd', of b 'asimd asimddp'"),
        (about("b", onnxruntime="1.31.1"), r"onnxruntime of a is '1\.27\.0', of b '1\.31\.1'; their latencies cannot"),
    ],
)
def test_a_machine_under_two_names_and_machines_that_differ_are_refused(other: RemoteResult, message: str) -> None:
    with pytest.raises(UserError, match=rf"target\.hosts: {message}"):
        opened(a=about("a"), b=other)


def test_revisions_of_a_board_are_alike_and_one_that_tells_nothing_of_itself_is_taken_for_another() -> None:
    assert len(opened(a=about(None), b=about(None, processor="Raspberry Pi 4 Model B Rev 1.1"))) == 2


def test_the_first_network_is_measured_on_all_and_a_slower_machine_is_left_out(capsys) -> None:
    farm, asked = three(), []
    took = {"a": 1.05, "b": 1.0, "c": 1.3}
    assert farm.run(taking(lambda host: (asked.append(host), took[host])[1])) == ("b", "by b")
    assert asked == ["a", "b", "c"] and [member.host for member in farm.members] == ["a", "b"]
    said = "remote c: the first network takes 1.3 ms there and 1 ms on b, expected machines that are alike to 10%"
    assert capsys.readouterr().err == f"{said}; it is left out, its work goes to a, b\n"


def test_heat_and_want_of_power_are_read_from_the_system(tmp_path: Path) -> None:
    root = f"{tmp_path}/"
    assert hot(root) is None
    zone = tmp_path / "sys" / "class" / "thermal" / "thermal_zone0"
    zone.mkdir(parents=True)
    for name, text in {"type": "cpu-thermal", "trip_point_0_type": "passive", "trip_point_0_temp": "80000"}.items():
        (zone / name).write_text(f"{text}\n")
    for degrees, found in (
        ("61000", None),
        ("82400", "it is hot: cpu-thermal is at 82 °C and slows it down from 80 °C on"),
    ):
        (zone / "temp").write_text(degrees)
        assert hot(root) == found
    firmware = tmp_path / "sys" / "devices" / "platform" / "soc" / "soc:firmware"
    firmware.mkdir(parents=True)
    for bits, found in (
        ("50000", "it is hot"),
        ("50005", "its firmware slows it down: under-voltage, it is throttled"),
    ):
        (firmware / "get_throttled").write_text(bits)  # the upper bits tell of the past
        assert (hot(root) or "").startswith(found)


def in_doubt(asked: list[str], took: dict[str, float], doubted: Callable[[], str]) -> Callable[[str], Timed[str]]:
    def job(host: str) -> Timed[str]:
        asked.append(host)
        return Timed(f"by {host}", took[host], "p50 varied by 20 % between repeats" if host in doubted() else None)

    return job


@pytest.mark.parametrize(
    ("later", "said"),
    [
        (1.02, "remote c: a network takes 1.02 ms there and 1 ms on {}; it is trusted from now on\n"),
        (
            1.3,
            "remote c: a network takes 1.3 ms there and 1 ms on {}, expected machines that are alike to 10%; "
            "it is left out, its work goes to a, b\n",
        ),
    ],
)
def test_one_that_was_in_doubt_at_the_first_network_is_compared_at_a_later_one(
    monkeypatch, capsys, later: float, said: str
) -> None:
    monkeypatch.setattr(farms, "REST_SECONDS", 0.1)
    farm, asked, took, doubted = three(), [], {"a": 1.0, "b": 1.0, "c": 9.0}, {"c"}
    farm.run(in_doubt(asked, took, lambda: "".join(doubted)))
    told = "remote c: p50 varied by 20 % between repeats; it rests for 0 s, then it is compared again\n"
    assert capsys.readouterr().err == told
    asked.clear()
    assert farm.run(in_doubt(asked, took, str))[0] == asked[0] and "c" not in asked, "it rests"
    time.sleep(0.2)
    took["c"] = later
    asked.clear()
    host, value = farm.run(in_doubt(asked, took, str))
    assert asked == [host, "c"] and value == f"by {host}", "another one's measurement counts"
    assert capsys.readouterr().err == said.format(host)
    found = {farm.run(in_doubt(asked, took, str))[0] for _ in range(6)}
    assert found == ({"a", "b", "c"} if later < 1.1 else {"a", "b"})


def test_one_that_is_in_doubt_again_and_again_is_left_out(monkeypatch, capsys) -> None:
    monkeypatch.setattr(farms, "REST_SECONDS", 0.0)
    farm, asked = three(), []
    for _ in range(5):
        assert farm.run(in_doubt(asked, dict.fromkeys("abc", 1.0), lambda: "c"))[0] in "ab"
    assert asked.count("c") == farms.MOST_DOUBTS and [member.host for member in farm.members] == ["a", "b"]
    said = (
        "remote c: in doubt at 3 networks: p50 varied by 20 % between repeats; it is left out, its work goes to a, b\n"
    )
    assert capsys.readouterr().err.endswith(said)


def test_where_all_were_in_doubt_the_first_that_is_not_is_what_the_others_are_compared_with(monkeypatch) -> None:
    monkeypatch.setattr(farms, "REST_SECONDS", 0.0)
    farm, asked, took = three(), [], {"a": 1.0, "b": 1.0, "c": 1.5}
    farm.run(in_doubt(asked, took, lambda: "abc"))
    for _ in range(4):
        farm.run(in_doubt(asked, took, str))
    assert len(farm) == 2, "c is not alike, or it was the first and the others are not"


@pytest.mark.parametrize("error", [UserError("remote c: numpy cannot be imported"), MemoryError("no memory for it")])
def test_one_that_cannot_measure_what_another_one_did_is_left_out(monkeypatch, capsys, error: Exception) -> None:
    monkeypatch.setattr(farms, "REST_SECONDS", 0.0)
    farm = three()
    farm.run(in_doubt([], dict.fromkeys("abc", 1.0), lambda: "c"))

    def job(host: str) -> Timed[str]:
        if host == "c":
            raise error
        return Timed(host, 1.0, None)

    assert farm.run(job)[0] in "ab" and [member.host for member in farm.members] == ["a", "b"]
    assert f"{error}; it is left out, its work goes to a, b" in capsys.readouterr().err


@pytest.mark.parametrize("error", [UserError("remote a: numpy cannot be imported"), MemoryError("no memory for it")])
def test_one_that_cannot_measure_the_first_network_is_left_out_where_another_one_can(capsys, error: Exception) -> None:
    farm = three()

    def job(host: str) -> Timed[str]:
        if host == "a":
            raise error
        return Timed(host, 1.0, None)

    assert farm.run(job) == ("b", "b")
    assert [member.host for member in farm.members] == ["b", "c"]
    assert f"{error}; it is left out, its work goes to b, c" in capsys.readouterr().err
