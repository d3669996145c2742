"""Ranges by each method, and the file that they are kept in: used where it fits, told of where it is damaged."""

import json
from pathlib import Path

import numpy as np
import pytest

from nastk.deploy.emittable import emittable
from nastk.deploy.onnx.writer import quick_model
from nastk.deploy.precision import calibration_cache
from nastk.deploy.precision.calibrate import METHODS, MIN_MAX, Method, tensor_ranges
from nastk.deploy.precision.calibration_cache import cached_ranges
from nastk.errors import UserError
from nastk.networks import NetworkConfig
from tests.deploy.networks import images, small

MODEL = quick_model(small(), (1, 3, 12, 12))
IMAGES = images(70, 3, 12, 12).numpy()


@pytest.mark.parametrize("name", METHODS)
def test_ranges_lie_within_the_bounds_of_every_tensor(name: str) -> None:
    bounds, ranges = tensor_ranges(MODEL, IMAGES), tensor_ranges(MODEL, IMAGES, Method(name, 99.0))
    assert list(ranges) == list(bounds)
    for tensor, (low, high) in ranges.items():
        assert bounds[tensor][0] <= low <= high <= bounds[tensor][1], tensor


@pytest.mark.parametrize("method", [Method("percentile", 99.9), Method("entropy")])
def test_one_wild_pixel_does_not_stretch_the_range(method: Method) -> None:
    wild = IMAGES.copy()
    wild[3, 0, 0, 0] = 500.0
    assert tensor_ranges(MODEL, wild)["image"][1] == 500.0
    # An entropy cut keeps at least 128 of 2048 bins.
    assert 2 < tensor_ranges(MODEL, wild, method)["image"][1] < 500 / 15


def test_percentile_takes_the_range_of_all_images() -> None:
    low, high = tensor_ranges(MODEL, IMAGES, Method("percentile", 98.0))["image"]
    np.testing.assert_allclose([low, high], np.percentile(IMAGES, [1, 99]), atol=0.02)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"name": "entropi"}, "unknown calibration_method 'entropi'; nearest is 'entropy'"),
        ({"percentile": 50}, "percentile=50, expected a number above 50"),
        ({"percentile": 100.5}, "percentile=100.5"),
        ({"percentile": True}, "percentile=True"),
    ],
)
def test_methods_that_cannot_be_are_refused(fields: dict, message: str) -> None:
    with pytest.raises(UserError, match=message):
        Method(**fields)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (IMAGES[:0], "calibration images: none, expected at least one"),
        (IMAGES[:, :, :11], r"calibration images: shape \(70, 3, 11, 12\), expected \(n, 3, 12, 12\)"),
        (IMAGES[:, :1], r"shape \(70, 1, 12, 12\), expected"),
        (IMAGES[0], r"shape \(3, 12, 12\), expected"),
        (np.where(IMAGES > 3, np.nan, IMAGES), "NaN or infinite pixels"),
        ((IMAGES * 9).astype(np.uint8), "uint8, expected an array of normalised float32 pixels"),
        (IMAGES.tolist(), "list, expected an array"),
    ],
    ids=["none", "size", "channels", "one", "nan", "uint8", "list"],
)
def test_images_that_cannot_calibrate_are_refused(given: object, message: str) -> None:
    with pytest.raises(UserError, match=message):
        emittable(small(), NetworkConfig(classes=4, size=12), "abc", given)  # type: ignore[arg-type]


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """The file of a calibration by min and max."""
    path = tmp_path / "calibration.json"
    cached_ranges(MODEL, IMAGES, MIN_MAX, None, path)
    return path


@pytest.fixture
def collected(monkeypatch) -> list[Method]:
    """Gets an entry with each calibration that runs images through the network."""
    calls: list[Method] = []

    def counted(model, x, method):
        calls.append(method)
        return tensor_ranges(model, x, method)

    monkeypatch.setattr(calibration_cache, "tensor_ranges", counted)
    return calls


def test_ranges_are_collected_once_and_written_as_they_are(kept: Path, collected, tmp_path: Path) -> None:
    ranges = cached_ranges(MODEL, IMAGES, MIN_MAX, kept, tmp_path / "again.json")
    assert collected == []
    assert ranges == tensor_ranges(MODEL, IMAGES)
    assert (tmp_path / "again.json").read_bytes() == kept.read_bytes()
    content = json.loads(kept.read_text())
    assert (content["count"], content["method"]["name"]) == (70, "min_max")


def test_other_images_another_network_and_another_method_are_collected_anew(kept: Path, collected, capsys) -> None:
    other = quick_model(small().double().float(), (1, 3, 12, 12), {"key": "other"})
    cached_ranges(MODEL, IMAGES + 1, MIN_MAX, kept)
    cached_ranges(other, IMAGES, MIN_MAX, kept)
    cached_ranges(MODEL, IMAGES, Method("percentile"), kept)
    cached_ranges(MODEL, IMAGES, MIN_MAX, kept.with_name("none.json"))
    assert len(collected) == 4
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[: len(text) // 2],
        lambda text: "[]",
        lambda text: text.replace('"schema": 1', '"schema": 2'),
        lambda text: text.replace('"image"', '"imago"'),
        lambda text: json.dumps(json.loads(text) | {"ranges": {"image": [2.0, 1.0]}}),
        lambda text: json.dumps(json.loads(text) | {"ranges": {"image": [0.0, float("inf")]}}),
        lambda text: json.dumps(json.loads(text) | {"ranges": {"image": ["low", "high"]}}),
    ],
)
def test_a_damaged_file_is_told_of_and_replaced(damage, kept: Path, collected, capsys) -> None:
    whole = kept.read_text()
    kept.write_text(damage(whole))
    ranges = cached_ranges(MODEL, IMAGES, MIN_MAX, kept, kept)
    assert len(collected) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert str(kept) in error and "collected again" in error
    assert ranges == tensor_ranges(MODEL, IMAGES)
    assert kept.read_text() == whole
