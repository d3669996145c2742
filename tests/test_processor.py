"""What the system says of the processor: features that kernels are chosen by, and how hot it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from nastk import processor
from nastk.deploy.runtimes import remote_machine
from nastk.processor import processor_features, temperature


def written(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


@pytest.mark.parametrize(
    ("text", "features"),
    [
        ("flags : fpu avx512_vnni avx2 sse4_1 avx512_bf16\n", "sse4_1 avx2 avx512_vnni avx512_bf16"),
        ("Features : fp asimd asimddp i8mm\n", "asimd asimddp i8mm"),
        ("flags : fpu\n", ""),
        ("processor : 0\n", None),
    ],
)
def test_features_are_those_that_matter_in_one_order(tmp_path: Path, text: str, features: str | None) -> None:
    assert processor_features(written(tmp_path, {"proc/cpuinfo": text})) == features


def test_the_hottest_sensor_of_the_processor_counts_and_no_other(tmp_path: Path) -> None:
    assert temperature(tmp_path) is None
    files = {
        "thermal/thermal_zone0/type": "cpu-thermal\n",
        "thermal/thermal_zone0/temp": "61234\n",
        "thermal/thermal_zone1/type": "gpu-thermal",
        "thermal/thermal_zone1/temp": "99000",
        "hwmon/hwmon3/name": "k10temp",
        "hwmon/hwmon3/temp1_input": "70500",
        "hwmon/hwmon3/temp2_input": "-273000",
        "hwmon/hwmon4/name": "coretemp",
        "hwmon/hwmon4/temp1_input": "hot",
    }
    written(tmp_path / "sys" / "class", files)
    assert temperature(tmp_path) == 70.5
    assert remote_machine.temperature(str(tmp_path / "sys" / "class")) == 70.5


def test_the_script_that_measures_elsewhere_reads_the_same() -> None:
    for name in ("FEATURES", "SENSORS", "MOST_DEGREES"):
        assert getattr(remote_machine, name) == getattr(processor, name)
    assert remote_machine.features() == processor_features()
