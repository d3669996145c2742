"""The estimated memory of a training step against what the process really takes for one."""

from __future__ import annotations

import subprocess
import sys

from nastk.networks import NetworkConfig
from nastk.training.step_memory import step_bytes
from tests.networks.named import drawn

MEASURE = """
import torch
from nastk.networks import NetworkConfig
from nastk.training.first_step import first_step
from nastk.training.recipe import Recipe
from tests.networks.named import drawn
config = NetworkConfig(cells=1, filters=8, size=64, classes=4)
first_step(drawn("nasnet", 1), config, Recipe(batch=2), torch.device("cpu"))
print(first_step(drawn("nasnet", 1), config, Recipe(batch=32), torch.device("cpu")).bytes)
"""


def test_a_step_takes_about_what_is_estimated() -> None:
    estimated = step_bytes(drawn("nasnet", 1), NetworkConfig(cells=1, filters=8, size=64, classes=4), 32)
    told = subprocess.run([sys.executable, "-c", MEASURE], capture_output=True, text=True, check=True).stdout
    assert 0.5 < int(told) / estimated < 1.3


def test_it_grows_with_the_batch_and_a_stem_with_a_stride_saves_most_of_it() -> None:
    config = NetworkConfig(cells=1, filters=8, size=96)
    plain = step_bytes(drawn("nasnet", 0), config, 8)
    assert 1.8 < step_bytes(drawn("nasnet", 0), config, 16) / plain < 2.1
    strided = NetworkConfig(stem="stride4", cells=1, filters=8, size=96)
    assert step_bytes(drawn("nasnet", 0), strided, 8) < plain / 8
