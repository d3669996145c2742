"""Whose fault it is that a file was not measured, on stand-ins for the machines of a farm."""

from __future__ import annotations

import pytest

from nastk.deploy.runtimes.farm_task import Timed
from nastk.deploy.runtimes.remote_shell import FileSuspected, HostFailed
from nastk.deploy.runtimes.suspects import FileFailed, tried_twice
from nastk.errors import UserError
from tests.deploy.runtimes.test_farm import locks, opened, taking, three

__all__ = ["locks"]  # a fixture
KILLED = "measuring was ended by SIGKILL, as where memory runs out"


class Job:
    """Fails at the file on some hosts, and is away on others."""

    def __init__(self, fails: str, gone: str = "") -> None:
        self.fails, self.gone, self.asked = fails, gone, ""

    def __call__(self, host: str) -> Timed[str]:
        self.asked += host
        if host in self.gone:
            raise HostFailed(f"remote {host}: SSH does not get there")
        if host in self.fails:
            raise FileSuspected(f"remote {host}: {KILLED}")
        return Timed(host, 1.0, None)


def test_a_file_that_two_machines_fail_at_is_given_up_and_both_stay(capsys) -> None:
    farm, job = three(), Job("abc")
    farm.run(taking(lambda host: 1.0))
    with pytest.raises(FileFailed, match=rf"^remote a: {KILLED}; remote b: the same$"):
        farm.run(job)
    assert job.asked == "ab", "the third one is spared"
    assert [one.host for one in farm.members] == ["a", "b", "c"] and not capsys.readouterr().err
    assert {farm.run(Job(""))[0] for _ in range(6)} == {"a", "b", "c"}


def test_a_machine_that_fails_at_what_another_one_measures_is_left_out(capsys) -> None:
    farm = three()
    farm.run(taking(lambda host: 1.0))
    assert farm.run(Job("a")) == ("b", "b")
    assert capsys.readouterr().err == f"remote a: {KILLED}; it is left out, its work goes to b, c\n"


def test_a_suspect_is_not_asked_again_where_another_one_measured_it_in_doubt(capsys) -> None:
    farm, asked = three(), []
    farm.run(taking(lambda host: 1.0))

    def job(host: str) -> Timed[str]:
        asked.append(host)
        if host == "a":
            raise FileSuspected(f"remote a: {KILLED}")
        if host == "c":
            raise HostFailed("remote c: SSH does not get there")
        return Timed(host, 1.0, "p50 varied")

    assert farm.run(job) == ("b", "b") and asked == ["a", "b", "c"]
    assert [one.host for one in farm.members] == ["b"]


def test_the_last_machine_is_asked_twice(capsys) -> None:
    farm, job = three(), Job("a", gone="bc")
    farm.run(taking(lambda host: 1.0))
    with pytest.raises(FileFailed, match=rf"^remote a: {KILLED}; a second time$"):
        farm.run(job)
    assert job.asked == "abca" and [one.host for one in farm.members] == ["a"]
    assert capsys.readouterr().err.count("it is left out") == 2


def test_a_first_network_that_all_fail_at_is_given_up_and_the_next_one_is_compared() -> None:
    farm = three()
    with pytest.raises(FileFailed, match=KILLED):
        farm.run(Job("abc"))
    job = Job("")
    farm.run(job)
    assert job.asked == "abc" and len(farm) == 3
    alone = opened(a=three().members[0].about)
    with pytest.raises(FileFailed, match="a second time"):
        alone.run(Job("a"))


def test_the_only_machine_is_asked_twice_and_counts_where_it_measures_then() -> None:
    job = Job("a")
    with pytest.raises(FileFailed, match=rf"^remote a: {KILLED}; a second time$"):
        tried_twice(job, "a")
    assert job.asked == "aa" and isinstance(FileFailed("x"), UserError)
    outcomes = iter([FileSuspected("remote a: once"), None])

    def once(host: str) -> str:
        if (error := next(outcomes)) is not None:
            raise error
        return host

    assert tried_twice(once, "a") == "a"
    with pytest.raises(HostFailed, match="SSH does not get there"):
        tried_twice(Job("", gone="a"), "a")
