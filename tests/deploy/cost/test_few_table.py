"""The target of ten measurements, on the measured latencies of NAS-Bench-201, where these are at hand."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import spearmanr

from nastk.deploy.cost.choose import chosen_networks
from nastk.deploy.cost.few import fit_few
from nastk.deploy.cost.prior import device_priors
from nastk.deploy.cost.term_table import term_tables
from nastk.evaluators.tabular import read_arrays
from nastk.spaces.nasbench201 import from_arch_string

DEVICES = ("1080ti_1", "1080ti_32", "1080ti_256", "gold_6226", "pixel3", "raspi4")


def test_ten_measured_cells_rank_the_others_on_devices_that_were_left_out() -> None:
    folder = Path(os.environ.get("NASTK_DATA", "/nowhere")) / "tables"
    if not (folder / "nb201_latency.npz").is_file():
        pytest.skip("NASTK_DATA has no tables/nb201_latency.npz")
    pool = np.random.default_rng(0).permutation(15_625)[:800]
    table = read_arrays(folder / "nb201_latency.npz", list(DEVICES))
    content = read_arrays(folder / "nb201_cifar10.npz", ["op_names", "ops"])
    edges = content["op_names"][content["ops"][pool]]
    form = "|{}~0|+|{}~0|{}~1|+|{}~0|{}~1|{}~2|"
    tables = term_tables([from_arch_string(form.format(*row)) for row in edges])
    latencies = np.array([table[name][pool].astype(np.float64) for name in DEVICES])
    ranks = []
    for new, truth in enumerate(latencies):
        library = np.delete(latencies, new, axis=0)
        priors = device_priors(tables, library)
        places = chosen_networks(tables, priors, library, 10)
        fit = fit_few(priors, [one.part(places) for one in tables], truth[places].tolist())
        counts = next(one.counts for one in tables if one.reading == fit.reading)
        rest = np.setdiff1d(np.arange(len(pool)), places)
        ranks.append(spearmanr(fit.predict(counts)[rest], truth[rest]).statistic)
    assert np.mean(ranks) >= 0.95
    assert min(ranks) >= 0.93
