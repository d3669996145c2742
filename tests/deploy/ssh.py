"""Stand-ins for ssh: a shell of its own folder and environment behind ssh's command line, and a real sshd."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SSHD = shutil.which("sshd") or "/usr/sbin/sshd"
# What sshd does with a command: the user's shell runs it, in the home folder.
LOCAL = """#!/bin/bash
while [ "$1" != "--" ]; do shift; done
echo "$2" >> {home}/hosts
cd {home} && {before} env -i HOME={home} PATH={home}/bin:/usr/bin:/bin /bin/bash -c "$3"
"""


def local_ssh(folder: Path, before: str = "", python: str | None = sys.executable) -> Path:
    """Writes a program that takes ssh's arguments and runs the command in another folder with an empty environment.

    Args:
        folder: in which the program, and `home` for the other machine, are made.
        before: a filter in front of the command, "cat |" or the like.
        python: what python3 is there; None leaves the machine without.
    """
    home = folder / "home"
    (home / "bin").mkdir(parents=True)
    if python is not None:
        script = home / "bin" / "python3"
        script.write_text(f'#!/bin/sh\nexec {python} "$@"\n')
        script.chmod(0o755)
    program = folder / "ssh"
    program.write_text(LOCAL.format(home=home, before=before))
    program.chmod(0o755)
    return program


@contextmanager
def running_sshd(folder: Path, **more: str) -> Iterator[str]:
    """Starts an sshd of our own on a free port of this machine; yields the ssh command that gets there unasked.

    Args:
        folder: for its files.
        more: settings of its configuration.
    """
    for name in ("host", "user"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True)
    shutil.copy(folder / "user.pub", folder / "authorized")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = {
        "Port": port,
        "ListenAddress": "127.0.0.1",
        "HostKey": folder / "host",
        "AuthorizedKeysFile": folder / "authorized",
        "PidFile": folder / "pid",
        "PasswordAuthentication": "no",
        "UsePAM": "no",
        "StrictModes": "no",
        **more,
    }
    (folder / "config").write_text("".join(f"{name} {value}\n" for name, value in settings.items()))
    kind, key, *_ = (folder / "host.pub").read_text().split()
    (folder / "known").write_text(f"[127.0.0.1]:{port} {kind} {key}\n")
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)
    with subprocess.Popen([SSHD, "-D", "-e", "-f", folder / "config"], stderr=subprocess.DEVNULL) as server:
        try:
            _wait_for(port)
            yield f"ssh -F none -p {port} -i {folder / 'user'} -o UserKnownHostsFile={folder / 'known'}"
        finally:
            server.terminate()


def _wait_for(port: int) -> None:
    for _ in range(100):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise TimeoutError(f"sshd does not answer on port {port}")
