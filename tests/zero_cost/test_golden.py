"""The proxies rank cells of NAS-Bench-201 as the published scores do: Cavagnero et al., FreeREA, WACV 2023."""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from nastk.networks import NetworkConfig, build_network
from nastk.spaces import from_arch_string
from nastk.stats.rank_agreement import kendall
from nastk.training.seeds import isolated_rng
from nastk.zero_cost.prepared import draw_weights
from nastk.zero_cost.proxies import PROXIES

DATA = Path(os.environ.get("NASTK_DATA", "/nowhere"))
EDGES = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))
MEAN, DEVIATION = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)  # of CIFAR-10's training images


def images(count: int, size: int) -> Tensor:
    """Returns the middle of the first images of CIFAR-10, normalised: (count, 3, size, size)."""
    path = DATA / "cifar10" / "cifar10_18k4k5_webp.npz"
    if not path.exists():
        pytest.skip("NASTK_DATA has no cifar10/cifar10_18k4k5_webp.npz")
    with np.load(path, allow_pickle=False) as packed:
        begin, end = packed["offsets"][:2]
        strip = packed["webp"][begin:end].tobytes()
    pixels = np.asarray(Image.open(io.BytesIO(strip)).convert("RGB")).reshape(-1, 32, 32, 3)[:count]
    edge = (32 - size) // 2
    normal = (pixels[:, edge : edge + size, edge : edge + size] / 255 - MEAN) / DEVIATION
    return torch.from_numpy(normal.transpose(0, 3, 1, 2)).float()


def every_edge_counts(ops: Sequence[str]) -> bool:
    """Says whether each operation that is not "none" lies on a path from the cell's input to its output."""
    there = [edge for edge, op in zip(EDGES, ops, strict=True) if op != "none"]
    fed, read = {0}, {3}
    for begin, end in there:
        fed |= {end} if begin in fed else set()
    for begin, end in reversed(there):
        read |= {begin} if end in read else set()
    return all(begin in fed and end in read for begin, end in there)


def agreement(name: str, cells: int, count: int, size: int) -> float | None:
    """Returns Kendall's tau between a proxy and the table, over cells that the table has a finite score of.

    The published networks compute edges that nothing depends on too, and NASWOT counted their units; ours leave them
    out, so that cells of one key have one score. It is compared on cells that have no such edge.
    """
    table, scores = DATA / "tables" / "nb201_cifar10.npz", DATA / "tables" / "nb201_zerocost_cifar10.npz"
    if not table.exists() or not scores.exists():
        pytest.skip("NASTK_DATA has no tables of NAS-Bench-201")
    with np.load(table, allow_pickle=False) as file:
        names, ops = file["op_names"], file["ops"]
    with np.load(scores, allow_pickle=False) as file:
        published = file[f"{name}_cifar10"]
    batch, labels = images(count, size), torch.zeros(count, dtype=torch.int64)
    shuffled = np.random.default_rng(0).permutation(len(ops))
    drawn = [row for row in shuffled if name != "naswot" or every_edge_counts([str(names[op]) for op in ops[row]])]
    ours, theirs = [], []
    for row in drawn[:cells]:
        a, b, c, d, e, f = (str(names[op]) for op in ops[row])
        genotype = from_arch_string(f"|{a}~0|+|{b}~0|{c}~1|+|{d}~0|{e}~1|{f}~2|")
        with isolated_rng(0, torch.device("cpu")):
            network = build_network(genotype, NetworkConfig(cells=5, filters=16, size=size))
            draw_weights(network)
        score = PROXIES[name](network, batch, labels)
        assert np.isfinite(score) == np.isfinite(published[row])
        if np.isfinite(score):
            ours.append(score)
            theirs.append(float(published[row]))
    return kendall(ours, theirs)


@pytest.mark.parametrize(
    ("name", "least", "cells", "count", "size"),
    [
        ("synflow", 0.95, 40, 2, 16),
        ("naswot", 0.9, 60, 64, 16),
        pytest.param("synflow", 0.95, 300, 2, 32, marks=pytest.mark.slow),
        pytest.param("naswot", 0.9, 300, 64, 32, marks=pytest.mark.slow),
    ],
)
def test_ranks_as_published(name: str, least: float, cells: int, count: int, size: int) -> None:
    tau = agreement(name, cells, count, size)
    print(f"{name}: tau {tau} over {cells} cells")
    assert tau is not None and tau >= least
