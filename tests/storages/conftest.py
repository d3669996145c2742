"""A search that a small table answers, for tests of where its study is kept."""

from __future__ import annotations

import itertools
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.postgresql import Database, free_port

NAMES = np.array(["none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3"])
OPS = np.array(list(itertools.product((0, 1, 3), repeat=6)), dtype=np.uint8)
PROXY = "from optuna.storages import get_storage, run_grpc_proxy_server as serve; serve(get_storage({!r}), port={})"


@pytest.fixture
def searched(tmp_path: Path) -> tuple[str, ...]:
    """What a command of `nastk.search` has besides its storage."""
    count = (OPS == 3).sum(axis=1)
    np.savez(
        tmp_path / "table.npz",
        op_names=NAMES,
        ops=OPS,
        acc12_cifar10_valid=(10 + 12 * count + np.random.default_rng(0).normal(0, 2, len(OPS))).astype(np.float32),
        acc200_cifar10_test_nats=(15 + 12 * count).astype(np.float32),
        cost12_cifar10_s=np.linspace(60, 180, len(OPS), dtype=np.float32),
        params_cifar10=count.astype(np.int32) * 1000,
    )
    return (
        *("+space=nasbench201", "space.ops=[zero,identity,conv_3x3]", "evaluator=tabular", "controller=random"),
        *(f"evaluator.table={tmp_path / 'table.npz'}", f"runs={tmp_path / 'runs'}", "trials=8"),
    )


@pytest.fixture
def silent_port(listens: bool) -> Iterator[int]:
    """A port that refuses whoever connects, or, where it `listens`, answers nothing."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        if listens:
            silent.listen()
        yield silent.getsockname()[1]


@pytest.fixture
def proxy(database: Database) -> Iterator[int]:
    """The port of a proxy, started as conf/storage/grpc.yaml says."""
    port = free_port()
    url = database.url.replace("postgresql:", "postgresql+psycopg:")
    command = [sys.executable, "-W", "ignore", "-c", PROXY.format(url, port)]
    process = subprocess.Popen(command, env=dict(database.environment), stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and process.poll() is None:
            with socket.socket() as client:
                if client.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        yield port
    finally:
        process.kill()
        process.wait()
