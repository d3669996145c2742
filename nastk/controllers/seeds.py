"""Random numbers as a function of (seed, trial, purpose), so that a killed trial draws again what it drew before."""

from __future__ import annotations

import hashlib
import random
import secrets

SEED_BITS = 31  # what numpy's legacy generators, which Optuna's samplers use, and torch both accept


def derive(seed: int, *purpose: int | str) -> int:
    """Returns a seed that depends on `seed` and every part of `purpose`, the same on every machine."""
    text = "\x1f".join(map(str, (seed, *purpose)))
    digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> (64 - SEED_BITS)


def generator(seed: int, *purpose: int | str) -> random.Random:
    """Returns a generator seeded by `derive`; cheap enough to make one for every draw."""
    return random.Random(derive(seed, *purpose))


def fresh_seed() -> int:
    """Returns an unpredictable seed, for a controller that was given none."""
    return secrets.randbits(SEED_BITS)
