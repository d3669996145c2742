"""Exports: checked and measured, whole or absent, kept when nothing changed, refused on bad input."""

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from nastk.deploy.export import export as package
from nastk.deploy.export.assess import ParityError
from nastk.deploy.export.export import export_model
from nastk.deploy.export.export_settings import ExportSettings
from nastk.deploy.export.model_card import model_card
from nastk.deploy.images import normalised
from nastk.deploy.manifest import describe_files, load_manifest, sha256
from nastk.deploy.precision.fusion import QUICKER
from nastk.deploy.runtimes.session import open_session, predict
from nastk.deploy.tuning.int8_source import HeldOut
from nastk.errors import UserError
from nastk.networks import NetworkConfig, build_network
from nastk.networks.stored import load_trained, save_trained
from tests.deploy.networks import genotype
from tests.deploy.source import Source

QUICK = ExportSettings(seconds=0.0)
MEAN, STD = 0.45, 0.25


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    """The folder of a network that has learnt the task."""
    folder = tmp_path_factory.mktemp("transfer") / "abc"
    folder.mkdir()
    config = NetworkConfig(cells=1, filters=4, classes=2, channels=1, size=8, auxiliary=True)
    torch.manual_seed(0)
    network = build_network(genotype(seed=4), config)
    images = Source().train()
    x = torch.from_numpy(normalised(images.x, [MEAN], [STD]))
    optimizer = torch.optim.Adam(network.parameters(), 3e-3)
    for _ in range(12):
        for batch in torch.randperm(len(x)).split(50):
            logits, auxiliary = network(x[batch])
            loss = F.cross_entropy(logits, images.y[batch]) + F.cross_entropy(auxiliary, images.y[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    facts = {
        "normalisation": {"mean": [MEAN], "std": [STD]},
        "classes": ["0", "1"],
        "data": {"name": "made", "resizing": "central square"},
    }
    save_trained(folder, network, config, genotype(seed=4), facts)
    return folder


@pytest.fixture(scope="module")
def exported(trained: Path, tmp_path_factory) -> tuple[Path, dict]:
    out = tmp_path_factory.mktemp("export") / "deep" / "abc"
    return out, export_model(trained, out, Source(), QUICK)


@pytest.fixture
def copy(trained: Path, tmp_path: Path) -> Path:
    """A trained network to be damaged."""
    folder = tmp_path / "copy"
    folder.mkdir()
    for path in trained.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    return folder


def test_the_folder_holds_what_the_manifest_says_and_nothing_else(exported) -> None:
    out, manifest = exported
    assert load_manifest(out) == manifest == json.loads((out / "manifest.json").read_text())
    assert {path.name for path in out.iterdir()} == {*manifest["files"], "manifest.json", "MODEL_CARD.md"}
    assert set(manifest["files"]) == {"model.onnx", "model.int8.onnx", "labels.json", "calibration.json", "predict.py"}
    assert [path.name for path in out.parent.iterdir()] == ["abc"]
    assert json.loads((out / "labels.json").read_text()) == {"schema": 1, "classes": ["0", "1"]}


def test_which_file_ships_is_decided_on_images_held_out_where_the_network_has_not_seen_them(
    exported, trained: Path, tmp_path: Path
) -> None:
    images = Source().train()
    manifest = export_model(trained, tmp_path / "out", Source(), QUICK, held_out=HeldOut(images, unseen=True))
    entry = manifest["precisions"]["int8"]
    x = normalised(images.x, [MEAN], [STD])
    answers = predict(open_session((tmp_path / "out" / entry["file"]).read_bytes()), x).argmax(1)
    assert entry["held_out_accuracy"] == pytest.approx((answers == images.y.numpy()).mean())
    assert manifest["decided_on"] == f"{len(images.y):,} held-out training images"
    assert f"compared on {len(images.y):,} held-out" in (tmp_path / "out" / "MODEL_CARD.md").read_text()
    before = {name: value for name, value in entry.items() if name != "latency_ms"}
    again = export_model(trained, tmp_path / "out", Source(), QUICK)  # kept, and timed again
    assert {name: again["precisions"]["int8"][name] for name in before} == before
    seen = export_model(trained, tmp_path / "seen", Source(), QUICK, held_out=HeldOut(images, unseen=False))
    for other in (seen, exported[1]):
        assert "held_out_accuracy" not in other["precisions"]["int8"]
        assert other["decided_on"].startswith("the test images, for no others are known")


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_accuracy_and_agreement_can_be_had_again_from_the_folder_alone(exported, trained, precision: str) -> None:
    out, manifest = exported
    entry, how = manifest["precisions"][precision], manifest["preprocessing"]
    test = Source().test()
    x = (test.x.numpy() / np.float32(255) - np.float32(how["mean"][0])) / np.float32(how["std"][0])
    answers = predict(open_session((out / entry["file"]).read_bytes()), x.astype(np.float32)).argmax(1)
    assert entry["accuracy"] == pytest.approx((answers == test.y.numpy()).mean())
    assert entry["accuracy"] > 0.8
    with torch.no_grad():
        reference = load_trained(trained).network(torch.from_numpy(x)).argmax(1).numpy()
    assert entry["agreement"] == pytest.approx((answers == reference).mean())


def test_the_manifest_tells_what_a_user_needs(exported, trained) -> None:
    out, manifest = exported
    assert manifest["classes"] == ["0", "1"]
    assert manifest["preprocessing"] == {
        "input": "image",
        "layout": "NCHW",
        "type": "float32",
        "channels": 1,
        "height": 8,
        "width": 8,
        "mean": [MEAN],
        "std": [STD],
        "formula": "(pixel / 255 - mean) / std",
        "resizing": "central square",
    }
    assert manifest["precisions"]["fp32"]["agreement"] == 1.0
    int8 = manifest["targets"]["cpu"]["int8"]
    assert int8["in_int8"] == int8["convolutions"] - 1 > 20
    assert [node["op"] for node in int8["float_nodes"] if node["reason"] == QUICKER] == ["Conv"]
    assert manifest["calibration_images"] == 200
    for entry in manifest["precisions"].values():
        assert entry["size_bytes"] == (out / entry["file"]).stat().st_size
        assert 0 < entry["latency_ms"]["p50"] <= entry["latency_ms"]["p90"] <= entry["latency_ms"]["p99"]
        assert entry["latency_ms"]["runs"] >= 200
    assert manifest["recommended"] in manifest["files"] and manifest["reason"]
    assert manifest["source"]["model.safetensors"]["sha256"] == sha256(trained / "model.safetensors")
    assert manifest["versions"]["onnxruntime"] and manifest["machine"]["cores"] >= 1 and manifest["commit"]


def test_the_report_reads_the_manifest(exported) -> None:
    from nastk.reports.shipped import read_shipped

    out, manifest = exported
    shipped = read_shipped(manifest, out)
    assert [file.precision for file in shipped.files] == ["fp32", "int8"]
    assert shipped.recommended_path == out / manifest["recommended"]
    assert shipped.params and shipped.macs and all(file.p50_ms for file in shipped.files)


def test_the_files_of_an_unchanged_export_are_kept_and_timed_again(exported, trained, tmp_path: Path) -> None:
    out = shutil.copytree(exported[0], tmp_path / "abc", copy_function=shutil.copy2)
    # As an export on a busy machine leaves it; nothing of it may stay.
    spoilt = json.loads((out / "manifest.json").read_text())
    for entry in (*spoilt["precisions"].values(), *spoilt["targets"]["cpu"]["precisions"].values()):
        entry["latency_ms"] |= {"p50": 9800.0, "min": 1.72, "steady": False, "doubt": "p50 is far off"}
    (out / "manifest.json").write_text(json.dumps(spoilt))
    (out / "MODEL_CARD.md").write_text(model_card(spoilt, trained, None) + "\nAsk Ada about it.\n")
    before = {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in out.iterdir()}
    manifest = export_model(trained, out, Source(), QUICK)
    after = {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in out.iterdir()}
    assert before.keys() == after.keys()
    assert {name for name in before if before[name] != after[name]} == {"manifest.json", "MODEL_CARD.md"}
    assert load_manifest(out) == manifest
    for entry in (*manifest["precisions"].values(), *manifest["targets"]["cpu"]["precisions"].values()):
        assert entry["latency_ms"]["p50"] < 9800 and "far off" not in str(entry["latency_ms"]["doubt"])
    card = (out / "MODEL_CARD.md").read_text()
    assert "9800" not in card and "9800" not in json.dumps(manifest)
    assert card == model_card(manifest, trained, None) + "\nAsk Ada about it.\n"
    assert [path.name for path in tmp_path.iterdir()] == ["abc"]


def test_other_weights_other_settings_and_damage_make_it_anew(copy: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    first = export_model(copy, out, Source(), QUICK)
    fewer = export_model(copy, out, Source(), ExportSettings(seconds=0.0, calibration=20))
    assert fewer["calibration_images"] == 20
    (out / "model.onnx").write_bytes(b"damaged")
    again = export_model(copy, out, Source(), QUICK)
    assert load_manifest(out) == again
    assert {name: again["files"][name] for name in again["files"]} == first["files"]
    trained = load_trained(copy)
    with torch.no_grad():
        trained.network.head[-1].bias.add_(1.0)
    save_trained(copy, trained.network, trained.config, trained.genotype, trained.facts)
    assert export_model(copy, out, Source(), QUICK)["files"]["model.onnx"] != first["files"]["model.onnx"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy", "out"]


def test_an_export_with_the_predict_py_of_another_version_is_made_anew(trained: Path, tmp_path: Path) -> None:
    """What was mended in it reaches whoever exports again."""
    out = tmp_path / "out"
    export_model(trained, out, Source(), QUICK)
    manifest = json.loads((out / "manifest.json").read_text())
    current = (out / "predict.py").read_bytes()
    (out / "predict.py").write_bytes(current.replace(b"ROTATE_270", b"ROTATE_90"))
    del manifest["source"]["predict"]  # as it was before it was recorded
    manifest["files"] |= describe_files(out, ["predict.py"])
    (out / "manifest.json").write_text(json.dumps(manifest))
    again = export_model(trained, out, Source(), QUICK)
    assert (out / "predict.py").read_bytes() == current and load_manifest(out) == again


def test_a_writer_that_computes_something_else_is_found_out(trained, tmp_path, monkeypatch) -> None:
    from nastk.deploy.emittable import emittable

    def careless(network: torch.nn.Module, *rest: object) -> object:
        with torch.no_grad():
            next(network.parameters()).mul_(1.1)
        made = emittable(network, *rest)
        with torch.no_grad():
            next(network.parameters()).div_(1.1)
        return made

    monkeypatch.setattr(package, "emittable", careless)
    with pytest.raises(ParityError):
        export_model(trained, tmp_path / "out", Source(), QUICK)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "damage", "message"),
    [
        ("model.safetensors", lambda data: data[: len(data) // 2], "SHA-256 is not the one in network.json"),
        ("model.safetensors", lambda data: b"", "the file was changed or is cut short"),
        ("genotype.json", lambda data: data[:20], "not JSON"),
        ("genotype.json", lambda data: data.replace(b"sep_conv_3x3", b"sep_conv_9x9"), "sep_conv_9x9|lacks|has"),
        ("network.json", lambda data: b"{}", "network.json"),
        ("network.json", lambda data: data.replace(b'"filters": 4', b'"filters": 8'), "model.safetensors"),
    ],
)
def test_a_damaged_source_is_named_and_nothing_written(copy: Path, tmp_path: Path, name, damage, message) -> None:
    before = (copy / name).read_bytes()
    (copy / name).write_bytes(damage(before))
    assert (copy / name).read_bytes() != before
    with pytest.raises(UserError, match=message):
        export_model(copy, tmp_path / "out", Source(), QUICK)
    assert [path.name for path in tmp_path.iterdir()] == ["copy"]


@pytest.mark.parametrize("name", ["model.safetensors", "genotype.json", "network.json"])
def test_a_missing_source_is_named(copy: Path, tmp_path: Path, name: str) -> None:
    (copy / name).unlink()
    with pytest.raises(UserError, match=f"{name}: no such file"):
        export_model(copy, tmp_path / "out", Source(), QUICK)


def test_other_data_are_refused(trained, tmp_path) -> None:
    with pytest.raises(UserError, match="classes cat, dog, the network knows 0, 1"):
        export_model(trained, tmp_path / "out", Source(classes=("cat", "dog")), QUICK)
    with pytest.raises(UserError, match=r"images of shape \(1, 9, 9\)"):
        export_model(trained, tmp_path / "out", Source(size=9), QUICK)


def test_a_folder_of_something_else_is_not_replaced(trained, tmp_path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.tex").write_text("years of work")
    with pytest.raises(UserError, match=r"holds 'thesis\.tex', which is of no export"):
        export_model(trained, tmp_path / "out", Source(), QUICK)
    (tmp_path / "file").write_text("x")
    with pytest.raises(UserError, match="is a file"):
        export_model(trained, tmp_path / "file", Source(), QUICK)
    assert (tmp_path / "out" / "thesis.tex").read_text() == "years of work"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "out"]


def test_a_folder_that_cannot_be_made_is_named(trained, tmp_path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(UserError, match="out: cannot be written"):
        export_model(trained, tmp_path / "file" / "out", Source(), QUICK)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"max_accuracy_drop": -0.1}, "max_accuracy_drop=-0.1"),
        ({"max_accuracy_drop": 2}, "max_accuracy_drop=2"),
        ({"calibration": 0}, "calibration=0"),
        ({"calibration": 1.5}, "calibration=1.5"),
    ],
)
def test_bad_settings(fields, message) -> None:
    with pytest.raises(UserError, match=message):
        ExportSettings(**fields)


EXPORTS_WITHOUT_END = """
import itertools, sys
from pathlib import Path
from nastk.deploy.export.export import export_model
from nastk.deploy.export.export_settings import ExportSettings
from tests.deploy.source import Source
print("ready", flush=True)
for count in itertools.count():
    settings = ExportSettings(seconds=0.0, calibration=10 + count % 2)
    export_model(Path(sys.argv[1]), Path(sys.argv[2]), Source(), settings)
"""


@pytest.mark.parametrize("delays", [(1.0,), pytest.param((0.1, 1.0, 2.3), marks=pytest.mark.slow)])
def test_a_kill_at_any_moment_leaves_no_half_of_an_export(trained, tmp_path, delays: tuple[float, ...]) -> None:
    out = tmp_path / "out"
    for delay in delays:
        command = [sys.executable, "-c", EXPORTS_WITHOUT_END, str(trained), str(out)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout.readline() == "ready\n"
            time.sleep(delay)
            process.send_signal(signal.SIGKILL)
        if out.exists():
            load_manifest(out)
    export_model(trained, out, Source(), QUICK)
    load_manifest(out)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
