"""LiteRT's own converter, for what nastk does not write: it does not live beside the rest, so in a place of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

# What it wants with xdsl 0.28 (typing-extensions below 4.13) no current typeguard, pydantic or cattrs runs with.
WANTED = (["litert-torch>=0.10", "ai-edge-quantizer>=0.10"], ["typing-extensions>=4.14"])
SCRIPT = """
import sys
from pathlib import Path
import numpy as np, torch
from torch import nn
from nastk.deploy.emittable import emittable
from nastk.deploy.targets import LitertTarget
from nastk.networks import NetworkConfig
from nastk.ops.norm import ChannelNorm

torch.manual_seed(0)
body = nn.Conv2d(3, 8, 3), ChannelNorm(8), nn.AvgPool2d(3, 2, 1, count_include_pad=False)
net = nn.Sequential(*body, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4)).eval()
images = np.random.default_rng(0).standard_normal((32, 3, 12, 12), dtype=np.float32)
images[7] *= 5
source = emittable(net, NetworkConfig(classes=4, size=12), "abc", images)
target, folder = LitertTarget(), Path(sys.argv[1])
target.emit(source, folder)
with torch.no_grad():
    wanted = net(torch.from_numpy(images)).numpy()
for precision, share in (("fp32", 1e-5), ("int8", 0.15)):
    found = target.runner(folder / target.files[precision])(images)
    assert np.abs(found - wanted).max() < share * np.ptp(wanted), precision
facts = target.facts(folder)
assert facts["written_by"] == "litert_torch" and "litert_torch" in facts["versions"], facts
"""


@pytest.mark.slow
def test_a_network_that_nastk_does_not_write_goes_through_litert_s_own_converter(tmp_path: Path) -> None:
    place, out = tmp_path / "packages", tmp_path / "out"
    out.mkdir()
    for names in WANTED:
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--upgrade", "--target", str(place)]
        done = subprocess.run([*command, *names], capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"cannot be installed here: {done.stderr.strip().splitlines()[-1]}")
    paths = os.pathsep.join([str(Path.cwd()), str(place)])
    command = [sys.executable, "-c", SCRIPT, str(out)]
    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": paths}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
