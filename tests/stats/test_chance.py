"""What guessing may reach, by the number of validation images and of candidates."""

from __future__ import annotations

import random

from nastk.stats.chance import best_guess


def test_the_bound_is_above_what_the_best_of_several_guessing_networks_reaches_but_for_one_in_twenty() -> None:
    rng, per_class, candidates = random.Random(0), [8, 8, 8, 8], 16
    bound = best_guess(per_class, candidates)
    repeats = 2_000
    above = sum(
        max(sum(rng.random() < 0.25 for _ in range(32)) for _ in range(candidates)) / 32 > bound for _ in range(repeats)
    )
    assert above / repeats < 0.12  # the normal bound is a little low for a quarter of 32
    assert bound < 0.5


def test_the_bound_nears_the_share_of_the_largest_class_with_many_images() -> None:
    assert 0.7 < best_guess([7_000, 3_000], 1) < 0.71
    assert best_guess([1, 1], 100) == 1.0
