"""Starts a training in several processes and follows it: their progress, how they end, and that none is left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

from nastk.errors import UserError
from nastk.files import cannot_write
from nastk.training.failure import TrainingFailed
from nastk.training.job import JOB, LOG, Job, write_job

PARENT = "NASTK_PARENT_HOLDS_STDIN"
TAIL = 4000  # characters of what the processes wrote


def train_in_ranks(job: Job, folder: Path, progress: Callable[[int, int, float], None] | None) -> None:
    """Trains in `job.run.devices` processes; their files are then in `folder`, and those of `remove_job` still.

    The processes hold the end of a pipe whose other end is here: they end when it closes, so also when this process is
    killed.

    Raises:
        TrainingFailed: it diverged, or ran out of memory.
        UserError: it cannot begin, or a process was killed; the same call goes on from the last checkpoint.
        RuntimeError: a bug; with the last lines that the processes wrote.
    """
    write_job(folder, job)
    try:
        log = (folder / LOG).open("wb")
    except OSError as error:
        raise cannot_write(folder / LOG, error) from None
    command = [sys.executable, "-m", "nastk.training.agent", str(folder), str(job.run.devices)]
    with (
        log,
        subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            env={**os.environ, PARENT: "1"},
            start_new_session=True,  # Ctrl-C is for this process, which ends the others
        ) as agent,
    ):
        assert agent.stdin is not None
        assert agent.stdout is not None
        try:
            ended = _follow(agent.stdout, progress)
            code = agent.wait()
        finally:
            agent.stdin.close()  # ends the training processes
            agent.kill()
    judge(folder, job.run.devices, code, ended)


def remove_job(folder: Path) -> None:
    """Removes what the processes were told and wrote, once the result is there."""
    for name in (JOB, LOG):
        (folder / name).unlink(missing_ok=True)


def _follow(lines: IO[bytes], progress: Callable[[int, int, float], None] | None) -> list[dict[str, Any]]:
    """Hands the epochs on; returns what the processes said when they ended."""
    ended = []
    for fact in _facts(lines):
        if "epoch" not in fact:
            ended.append(fact)
        elif progress is not None:
            progress(fact["epoch"], fact["epochs"], fact["loss"])
    return ended


def _facts(lines: IO[bytes]) -> Iterator[dict[str, Any]]:
    for line in lines:
        try:
            fact = json.loads(line)
        except ValueError:
            continue  # a library's print
        if isinstance(fact, dict):
            yield fact


def judge(folder: Path, devices: int, code: int, ended: list[dict[str, Any]]) -> None:
    """Raises what the processes ended for, if it was not the end of the training.

    Where one fails, the launcher ends the others by SIGTERM, or they fail themselves for want of it: what is raised is
    what happened to the one that failed by itself.
    """
    for fact in ended:
        if "error" in fact:
            raise TrainingFailed(folder, str(fact["reason"])) if "reason" in fact else UserError(str(fact["error"]))
    if code == 0:
        hashes = {fact["weights"] for fact in ended if "weights" in fact}
        if len(hashes) != 1:
            raise RuntimeError(f"{folder}: {devices} processes ended with {len(hashes)} different networks: {ended}")
        return
    codes = {rank: exit_code for fact in ended for rank, exit_code in fact.get("exit", {}).items()}
    for fact in ended:
        if fact.get("failed"):
            raise RuntimeError(f"{folder}: process {fact['rank']} of {devices} failed:\n{fact['failed']}")
    followed = {str(fact["rank"]) for fact in ended if "lost" in fact}
    signalled = sorted(((rank, -number) for rank, number in codes.items() if number < 0), key=_by_itself, reverse=True)
    failed = [rank for rank, number in codes.items() if number > 0 and rank not in followed]
    if signalled and (_by_itself(signalled[0]) or not failed):
        raise _ended_by_signal(folder, devices, *signalled[0])
    tail = (folder / LOG).read_text(errors="replace")[-TAIL:]
    raise RuntimeError(f"{folder}: training in {devices} processes failed (exit codes {codes or code}):\n{tail}")


def _by_itself(signalled: tuple[str, int]) -> bool:
    """Says of a process that was ended by a signal whether it is not just one that the launcher told to stop."""
    return signalled[1] != signal.SIGTERM


def _ended_by_signal(folder: Path, devices: int, rank: str, number: int) -> UserError:
    by_hand = number in (signal.SIGTERM, signal.SIGKILL, signal.SIGINT, signal.SIGHUP)
    why = "by hand, or for want of memory" if by_hand else "a crash in native code"
    return UserError(
        f"transfer {folder}: process {rank} of {devices} was ended by {signal.Signals(number).name} ({why}); the same "
        "command goes on from the last checkpoint"
    )
