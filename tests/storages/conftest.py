"""A search that a small table answers, for tests of where its study is kept."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

NAMES = np.array(["none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3"])
OPS = np.array(list(itertools.product((0, 1, 3), repeat=6)), dtype=np.uint8)


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
