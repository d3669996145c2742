"""A Ray cluster: a machine that goes costs nothing, and one that cannot be joined is refused in one line."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nastk.errors import UserError
from nastk.executors.ray_cluster import joined

pytest.importorskip("ray")
CLIENTS = 23710  # the port of the cluster for those who are on no machine of it
SEARCH = (
    *("+space=nasnet", "space.blocks=2", "seed=7", "controller=random", "evaluator.epochs=2", "data.subset=300"),
    *("evaluator.network.filters=4", "target.seconds=0.02", "executor=ray"),
)


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("127.0.0.1:1", "nothing answers there (Connection refused)"),
        ("ray://127.0.0.1:1", "nothing answers there (Connection refused)"),
        ("no.such.host.invalid:6379", "nothing answers there"),
        ("127.0.0.1:99999", "nothing answers there"),
    ],
)
def test_an_address_where_nothing_listens_is_refused(address: str, message: str) -> None:
    with pytest.raises(UserError) as caught, joined(address):
        pass
    assert f"executor.address={address}: {message}" in str(caught.value)


def test_ray_that_is_not_installed_is_named_with_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UserError, match=r"Ray cannot be imported .* pip install 'nastk\[ray\]'"), joined(None):
        pass


@pytest.mark.slow
@pytest.mark.parametrize("form", ["{}", "ray://{}"])
def test_what_listens_and_does_not_answer_is_given_up(form: str) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        start = time.monotonic()
        with (
            pytest.raises(UserError, match="no Ray answers there within 7 seconds"),
            joined(form.format(f"127.0.0.1:{silent.getsockname()[1]}")),
        ):
            pass
        assert time.monotonic() - start < 60


@pytest.fixture
def cluster() -> Iterator[Any]:
    """Returns a cluster of a head that trains nothing, as one that is searched from, and one machine of one core."""
    from ray.cluster_utils import Cluster

    head = {"num_cpus": 0, "include_dashboard": False, "ray_client_server_port": CLIENTS}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    try:
        cluster.add_node(num_cpus=1)
        yield cluster
    finally:
        cluster.shutdown()


def _search(runs: Path, *more: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "nastk.search", *SEARCH, f"runs={runs}", "run=a", *more]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)


def _rows(folder: Path) -> list[dict[str, Any]]:
    path = folder / "trials.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def _processes(word: str) -> list[int]:
    """Returns the processes whose command line has the word, zombies left out."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if word in path.read_text() and ") Z" not in (path.parent / "stat").read_text():
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found


def _wait_until(there: Any, seconds: float = 360) -> None:
    deadline = time.monotonic() + seconds
    while not there():
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.mark.slow
def test_a_search_outlives_a_machine_and_leaves_no_worker(cluster: Any, tmp_path: Path) -> None:
    second = cluster.add_node(num_cpus=1)
    cluster.wait_for_nodes()
    given = (f"executor.address={cluster.address}", "executor.cpus=0.5", "trials=8")
    with _search(tmp_path, *given) as search:
        _wait_until(lambda: _rows(tmp_path / "a") or search.poll() is not None)
        cluster.remove_node(second, allow_graceful=False)
        out, err = search.communicate(timeout=600)
    assert search.returncode == 0, err
    assert "8 candidates trained" in out
    assert "raylet" not in out + err
    rows = _rows(tmp_path / "a")
    assert [row["number"] for row in rows] == list(range(len(rows)))
    trained = [row["key"] for row in rows if row["state"] == "complete"]
    assert len(trained) == len(set(trained)) == 8
    _wait_until(lambda: not _processes("ray::Worker"), 30)


@pytest.mark.slow
def test_a_search_from_a_machine_outside_of_the_cluster(cluster: Any, tmp_path: Path) -> None:
    given = (f"executor.address=ray://127.0.0.1:{CLIENTS}", "executor.cpus=0.5", "trials=4", "pruner=median")
    with _search(tmp_path, *given) as search:
        out, err = search.communicate(timeout=600)
    assert search.returncode == 0, err
    assert "4 candidates trained" in out
    assert "Traceback" not in err
    rows = _rows(tmp_path / "a")
    assert sum(row["state"] in ("complete", "pruned") for row in rows) == 4
    _wait_until(lambda: not _processes("ray::Worker"), 30)


@pytest.mark.slow
def test_a_cluster_of_another_version_is_refused(cluster: Any) -> None:
    from ray._private import ray_constants
    from ray._raylet import GcsClient

    client = GcsClient(address=cluster.address)
    namespace, key = ray_constants.KV_NAMESPACE_CLUSTER, b"CLUSTER_METADATA"
    known = json.loads(client.internal_kv_get(key, namespace))
    known["ray_version"] = "2.9.0"
    client.internal_kv_put(key, json.dumps(known).encode(), True, namespace)
    with pytest.raises(UserError, match=r"executor.address=.*2\.9\.0") as caught, joined(cluster.address):
        pass
    assert "\n" not in str(caught.value)


@pytest.mark.slow
def test_who_lacks_its_secret_is_refused(in_ray: Path) -> None:
    import ray

    address = ray.get_runtime_context().gcs_address
    code = "import sys; from nastk.executors.ray_cluster import joined; joined(sys.argv[1]).__enter__()"
    joining = subprocess.run(
        [sys.executable, "-c", code, address],
        env={**os.environ, "RAY_AUTH_TOKEN": "0" * 64},
        timeout=120,
        check=False,
        capture_output=True,
        text=True,
    )
    assert joining.stderr.splitlines()[-1] == (
        f"nastk.errors.UserError: executor.address={address}: its RAY_AUTH_TOKEN is another than this machine's"
    )


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_ray_of_its_own_listens_to_this_machine_alone_and_ends_with_the_search(
    tmp_path: Path, number: signal.Signals
) -> None:
    with _search(tmp_path, "executor.cpus=0.5", "executor.parallel=2", "trials=500") as search:
        _wait_until(lambda: _rows(tmp_path / "a") or search.poll() is not None)
        assert _processes("ray::Worker")
        mine = {int(path.name) for path in Path("/proc").glob("[0-9]*") if _session(int(path.name)) == search.pid}
        assert _listening(mine) <= {"127.0.0.1"}
        os.kill(search.pid, number)
        start = time.monotonic()
        _, err = search.communicate(timeout=120)
        assert time.monotonic() - start < 60
    if number != signal.SIGKILL:
        assert search.returncode == 128 + number
        assert err.strip().splitlines()[-1].startswith("stopped; nothing finished is lost")
    assert "Traceback" not in err
    _wait_until(lambda: not any(_session(pid) == search.pid for pid in mine), 80)


def _session(pid: int) -> int | None:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return int(fields[3]) if fields[0] != "Z" else None


def _listening(pids: set[int]) -> set[str]:
    """Returns the addresses on which these processes take connections."""
    sockets = set()
    for pid in pids:
        for path in Path(f"/proc/{pid}/fd").glob("*"):
            try:
                sockets |= set(re.findall(r"socket:\[(\d+)\]", str(path.readlink())))
            except OSError:
                continue
    found = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(table).read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and fields[9] in sockets:
                # The last four bytes are an IPv4 address, also where IPv6 has it (::ffff:127.0.0.1).
                found.add(socket.inet_ntoa(bytes.fromhex(fields[1].partition(":")[0][-8:])[::-1]))
    return found
