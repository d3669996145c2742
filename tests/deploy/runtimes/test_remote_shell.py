"""The measuring script on another machine: what goes wrong on the way there and back is said in one line."""

from __future__ import annotations

import ast
import shutil
import time
from pathlib import Path

import pytest

from nastk.deploy.runtimes.remote_shell import SSH, check_host, clean, run_there
from nastk.errors import UserError
from tests.deploy.ssh import local_ssh

SAYS = b"import sys, pathlib; print(sorted(p.name for p in pathlib.Path(sys.argv[1]).iterdir()))"


def there(monkeypatch, program: Path, code: bytes = SAYS, seconds: float = 20, **files: bytes) -> str:
    monkeypatch.setenv(SSH, str(program))
    return run_there("user@board", "python3", "say.py", {"say.py": code, **files}, seconds)


def test_files_go_there_and_what_was_printed_comes_back(tmp_path: Path, monkeypatch) -> None:
    program = local_ssh(tmp_path)
    code = (
        b"import sys, pathlib, os; print((pathlib.Path(sys.argv[1]) / 'data').read_bytes(), os.getcwd(), sys.argv[1])"
    )
    content, place, folder = there(monkeypatch, program, code, data=bytes(range(256)) * 4000).rsplit(" ", 2)
    assert ast.literal_eval(content) == bytes(range(256)) * 4000
    assert place == str(tmp_path / "home") and not Path(folder.strip()).exists()
    assert (tmp_path / "home" / "hosts").read_text() == "user@board\n"


@pytest.mark.parametrize("host", ["user@board", "board", "pi-4.local", "10.0.0.7", "a.b@c", "fe80::1%eth0", "u@::1"])
def test_hosts_as_ssh_takes_them(host: str) -> None:
    check_host(host)


@pytest.mark.parametrize(
    "host",
    [
        "-oProxyCommand=touch /tmp/x",
        "-V",
        "",
        "user@-V",
        "-u@board",
        "a b",
        "board;ls",
        "$(ls)",
        "a@b@c",
        "board\n",
        "ü",
    ],
)
def test_a_host_that_would_be_an_option_or_a_command_never_reaches_ssh(host: str, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv(SSH, str(local_ssh(tmp_path)))
    with pytest.raises(UserError, match="target: host="):
        run_there(host, "python3", "say.py", {"say.py": SAYS}, 5)
    assert not (tmp_path / "home" / "hosts").exists()


@pytest.mark.parametrize("python", ["a;touch here", "$(touch here)", "`touch here`", "x' ; touch here; '"])
def test_the_name_of_python_is_no_command(python: str, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv(SSH, str(local_ssh(tmp_path)))
    with pytest.raises(UserError, match="has no "):
        run_there("board", python, "say.py", {"say.py": SAYS}, 20)
    assert not (tmp_path / "home" / "here").exists()


def test_a_machine_without_python_is_named(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv(SSH, str(local_ssh(tmp_path)))
    with pytest.raises(UserError, match=r"remote board: has no 'python9'; target\.python=PATH names another"):
        run_there("board", "python9", "say.py", {"say.py": SAYS}, 20)


def test_ssh_refused_is_told_with_what_ssh_said(tmp_path: Path, monkeypatch) -> None:
    program = tmp_path / "ssh"
    program.write_text(
        "#!/bin/sh\nprintf 'banner\\nuser@board: \\033[31mPermission denied (publickey).\\n' >&2\nexit 255\n"
    )
    program.chmod(0o755)
    with pytest.raises(
        UserError, match=r"SSH does not get there \(user@board: \[31mPermission denied \(publickey\)"
    ) as info:
        there(monkeypatch, program)
    assert "\033" not in str(info.value)


def test_the_real_ssh_says_why_it_does_not_get_there(monkeypatch) -> None:
    if shutil.which("ssh") is None:
        pytest.skip("no ssh here")
    monkeypatch.setenv(SSH, "ssh -F none -p 1")
    with pytest.raises(UserError, match=r"remote 127\.0\.0\.1: SSH does not get there \(ssh: connect to .* refused"):
        run_there("127.0.0.1", "python3", "say.py", {"say.py": SAYS}, 20)


def test_no_ssh_at_all_is_named(tmp_path: Path, monkeypatch) -> None:
    with pytest.raises(UserError, match="cannot be started"):
        there(monkeypatch, tmp_path / "nowhere")


def test_a_machine_that_does_not_answer_is_given_up(tmp_path: Path, monkeypatch) -> None:
    start = time.perf_counter()
    with pytest.raises(
        UserError, match=r"remote user@board: no answer within 1 s; target\.timeout=SECONDS allows more"
    ):
        there(monkeypatch, local_ssh(tmp_path, before="sleep 600;"), seconds=1)
    assert time.perf_counter() - start < 60


def test_a_script_that_fails_there_is_told_with_its_last_line(tmp_path: Path, monkeypatch) -> None:
    with pytest.raises(UserError, match=r"measuring ended with exit code 1 \(ZeroDivisionError: division by zero\)"):
        there(monkeypatch, local_ssh(tmp_path), b"1 / 0")


def test_an_answer_without_end_is_cut(tmp_path: Path, monkeypatch) -> None:
    with pytest.raises(UserError, match="an answer of more than 67,108,864 bytes"):
        there(monkeypatch, local_ssh(tmp_path), b"while True: print('x' * 100_000)", seconds=600)


def test_files_that_cannot_be_unpacked_are_told(tmp_path: Path, monkeypatch) -> None:
    with pytest.raises(UserError, match="the files cannot be unpacked there"):
        there(monkeypatch, local_ssh(tmp_path, before="head -c 700 |"), data=bytes(100_000))


def test_text_from_elsewhere_is_made_harmless() -> None:
    assert clean("a\033[2Jb\x07\r\n\n  c\u202e  ") == "a[2Jb\nc"
    assert len(clean("x" * 10_000)) == 300
