"""Tests of choosing a few networks, and of learning a device from them and from others that are known."""

from __future__ import annotations

import random

import numpy as np
import pytest
from numpy.typing import NDArray

from nastk.deploy.cost.choose import chosen_networks
from nastk.deploy.cost.few import FewFit, fit_few, left_out_errors
from nastk.deploy.cost.known_devices import analytic_latencies
from nastk.deploy.cost.prior import Prior, device_priors
from nastk.deploy.cost.term_table import TermTable, term_tables
from nastk.errors import UserError
from nastk.genotype import Genotype
from nastk.genotype.usage import CONSTANT, LIVE, edge_usages
from nastk.spaces import NasBench201Space, random_genotype

Floats = NDArray[np.float64]
OPS = ("identity", "conv_1x1", "conv_3x3", "avg_pool_3x3")
LIBRARY = ((0.1, 1.0, 6.0, 1.7), (0.3, 1.0, 4.0, 0.9), (0.1, 2.0, 5.0, 4.0), (0.5, 0.8, 1.5, 0.8))
NEW = (0.2, 1.5, 3.0, 2.5)


def latency(cell: Genotype, costs: tuple[float, ...], pruned: bool = False) -> float:
    usages = edge_usages(cell["normal"])
    return 1 + sum(costs[OPS.index(op)] for _, op, usage in usages if not pruned or usage in (LIVE, CONSTANT))


class Known:
    """A pool of cells and what is known of it."""

    def __init__(self) -> None:
        rng = random.Random(0)
        self.cells = [random_genotype(NasBench201Space(), rng) for _ in range(300)]
        self.tables: list[TermTable] = term_tables(self.cells)
        self.latencies: Floats = np.array([[latency(cell, costs) for cell in self.cells] for costs in LIBRARY])
        self.priors: list[Prior] = device_priors(self.tables, self.latencies)
        self.ten = chosen_networks(self.tables, self.priors, self.latencies, 10)

    def fit(self, truth: Floats, places: list[int]) -> FewFit:
        return fit_few(self.priors, [table.part(places) for table in self.tables], truth[places].tolist())

    def errors(self, fit: FewFit, truth: Floats) -> Floats:
        table = next(table for table in self.tables if table.reading == fit.reading)
        return np.abs(fit.predict(table.counts) / truth - 1)


@pytest.fixture(scope="module")
def known() -> Known:
    return Known()


def truth_of(known: Known, pruned: bool = False) -> Floats:
    return np.array([latency(cell, NEW, pruned) for cell in known.cells])


def test_ten_cells_tell_the_costs_of_a_device_unlike_any_known(known: Known):
    truth = truth_of(known)
    fit = known.fit(truth, known.ten)
    assert fit.reading == "every"
    assert np.quantile(known.errors(fit, truth), 0.95) < 0.05


def test_ten_cells_tell_a_device_that_leaves_out_what_is_not_needed(known: Known):
    truth = truth_of(known, pruned=True)
    fit = known.fit(truth, known.ten)
    assert fit.reading in ("needed", "kept")
    assert np.median(known.errors(fit, truth)) < 0.1


def test_one_throttled_measurement_does_not_move_the_rest(known: Known):
    truth = truth_of(known)
    measured = truth.copy()
    measured[known.ten[4]] *= 1.6
    assert np.median(known.errors(known.fit(measured, known.ten), truth)) < 0.1


def test_the_choice_is_the_same_each_time_and_a_smaller_one_its_beginning(known: Known):
    assert chosen_networks(known.tables, known.priors, known.latencies, 6) == known.ten[:6]
    assert len(set(known.ten)) == 10


def test_the_chosen_leave_less_open_than_the_drawn(known: Known):
    truth = truth_of(known)
    rng = np.random.default_rng(0)
    drawn = [known.errors(known.fit(truth, rng.permutation(300)[:6].tolist()), truth).mean() for _ in range(10)]
    assert known.errors(known.fit(truth, known.ten[:6]), truth).mean() < np.mean(drawn)


def test_what_is_left_out_is_foretold_by_the_others(known: Known):
    truth = truth_of(known)
    errors = left_out_errors(known.priors, [table.part(known.ten) for table in known.tables], truth[known.ten].tolist())
    assert len(errors) == 10
    assert np.median(errors) < 0.1


@pytest.mark.parametrize(
    ("latencies", "message"),
    [
        ([1.0] * 4, "4 latencies, expected at least 5"),
        ([1.0, 2.0, 3.0, float("nan"), 5.0], "nan ms, expected a number above 0"),
        ([1.0, 2.0, 3.0, -4.0, 5.0], "-4.0 ms"),
        ([2.0] * 5, "all 5 latencies are 2.0 ms"),
    ],
)
def test_latencies_that_cannot_be_are_named(known: Known, latencies: list[float], message: str):
    with pytest.raises(UserError, match=message):
        fit_few(known.priors, [table.part(known.ten[: len(latencies)]) for table in known.tables], latencies)


def test_a_thought_up_device_waits_for_memory_or_computes():
    moving = {"conv/ops": 1.0, "conv/mb": 8.0, "conv/gmacs": 0.001}
    computing = {"conv/ops": 1.0, "conv/mb": 1.0, "conv/gmacs": 1.0}
    count, traffic, work, *rooflines = analytic_latencies([moving, computing])
    assert count.tolist() == [1.0, 1.0]
    assert traffic.tolist() == [8.0, 1.0]
    assert work.tolist() == [0.001, 1.0]
    assert [roofline.tolist() for roofline in rooflines] == [[8.0, 500.0], [8.0, 100.0], [8.0, 20.0]]
