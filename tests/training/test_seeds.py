"""Seeds that do not depend on the process, and generators given back as they were."""

import random
import subprocess
import sys

import numpy as np
import pytest
import torch

from nastk.seeds import derive_seed
from nastk.training.seeds import isolated_rng, threads_set


def test_a_seed_is_the_same_in_another_process() -> None:
    code = "from nastk.seeds import derive_seed; print(derive_seed(3, 'key'))"
    other = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert int(other.stdout) == derive_seed(3, "key")


def test_seeds_of_different_parts_differ() -> None:
    seeds = {derive_seed(a, b) for a in range(20) for b in ("x", "y", "1")} | {derive_seed("0x"), derive_seed(0, 1)}
    assert len(seeds) == 62
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_the_global_generators_are_given_back_after_an_error_too() -> None:
    torch.manual_seed(1)
    random.seed(1)
    before = (torch.get_rng_state(), random.getstate(), np.random.get_state()[1].copy())
    with pytest.raises(KeyError), isolated_rng(7, torch.device("cpu")):
        torch.rand(3)
        raise KeyError
    assert torch.equal(torch.get_rng_state(), before[0])
    assert random.getstate() == before[1]
    assert np.array_equal(np.random.get_state()[1], before[2])


def test_what_is_drawn_inside_follows_from_the_seed() -> None:
    drawn = []
    for warm in range(2):
        torch.rand(warm)
        with isolated_rng(7, torch.device("cpu")):
            drawn.append(torch.rand(3))
    assert torch.equal(drawn[0], drawn[1])


def test_threads_are_given_back() -> None:
    before = torch.get_num_threads()
    with threads_set(before + 1, 8):
        assert torch.get_num_threads() == before + 1
    assert torch.get_num_threads() == before


def test_without_a_word_small_images_get_one_thread_and_large_ones_all() -> None:
    before = torch.get_num_threads()
    with threads_set(2, 32):
        with threads_set(None, 16):
            assert torch.get_num_threads() == 1
        with threads_set(None, 17):
            assert torch.get_num_threads() == 2
    assert torch.get_num_threads() == before
