"""Quantization-aware training: gains where calibration loses, goes on after a kill, is kept where nothing changed."""

import dataclasses
import importlib.util
import json
import random
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from nastk.data.sources import load_data
from nastk.deploy.export.export import export_model
from nastk.deploy.export.export_settings import ExportSettings
from nastk.deploy.images import normalised
from nastk.deploy.manifest import sha256
from nastk.deploy.onnx.writer import onnx_model, serialise
from nastk.deploy.precision.scheme import OPENVINO
from nastk.deploy.targets import ArmTarget, CpuTarget, OpenvinoTarget
from nastk.deploy.tuning.int8_source import HeldOut, Int8Wishes, int8_source
from nastk.deploy.tuning.trainable import TrainableInt8
from nastk.errors import UserError
from nastk.jobs import qat
from nastk.jobs.held_out import held_out_images, unseen_images
from nastk.jobs.int8_lines import int8_lines
from nastk.jobs.qat import QatSettings, calibrated, fine_tuned
from nastk.jobs.qat_needed import settled
from nastk.jobs.teacher import open_teacher
from nastk.networks import NetworkConfig
from nastk.networks.stored import load_trained, save_trained
from nastk.spaces import NasBench201Space
from nastk.spaces.space import random_genotype
from nastk.training.checkpoint import LAST
from nastk.training.transfer import TransferSettings, train_final
from tests.commands import run
from tests.deploy.hurt import hurt

DIGITS = load_data("digits")
QUICK = ExportSettings(seconds=0.0, calibration=128)
QAT = QatSettings(epochs=3)


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    """A trained network that loses by int8."""
    folder = tmp_path_factory.mktemp("run") / "transfer" / "abc"
    genotype = random_genotype(NasBench201Space(), random.Random(3))
    config = NetworkConfig(cells=1, filters=8, classes=10, channels=1, size=8)
    settings = TransferSettings(epochs=4, auxiliary=0.0, holdout=True, device="cpu", threads=1)
    train_final(genotype, config, DIGITS, settings, folder)
    trained = load_trained(folder)
    hurt(trained.network, 500.0)
    save_trained(folder, trained.network, config, genotype, trained.facts)
    return folder


@pytest.fixture(scope="module")
def tuned(model: Path) -> Path:
    train, _ = held_out_images(model, DIGITS)
    return fine_tuned(model, DIGITS, train, QUICK, QAT)


@pytest.fixture(scope="module")
def exported(model: Path, tuned: Path, tmp_path_factory) -> tuple[Path, dict]:
    _, held_out = held_out_images(model, DIGITS)
    out = tmp_path_factory.mktemp("export") / "abc"
    return out, export_model(model, out, DIGITS, QUICK, tuned=tuned, held_out=held_out)


def test_it_wins_back_what_calibration_loses(exported) -> None:
    _, manifest = exported
    found = manifest["int8"]
    assert found["unseen"] and found["images"] == 287
    assert found["calibrated"] < found["float32"] - 0.2
    assert found["fine_tuned"] > found["calibrated"] + 0.15
    assert found["weights"] == "fine_tuned" and found["int8"] == found["fine_tuned"]
    assert found["qat"]["epochs"] == 3 and found["qat"]["scheme"] == "x86"
    # On the test images, which decided nothing.
    assert manifest["precisions"]["int8"]["accuracy"] > found["calibrated"] + 0.15


@pytest.mark.skipif(importlib.util.find_spec("openvino") is None, reason="openvino is not installed")
def test_openvino_gains_too_as_it_runs_its_files(model: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(model, tmp_path / "transfer", ignore=shutil.ignore_patterns("qat")))
    train, held_out = held_out_images(copy, DIGITS)
    tuned, trained = fine_tuned(copy, DIGITS, train, QUICK, QAT, OPENVINO), load_trained(copy)
    normal, source = trained.facts["normalisation"], calibrated(trained, DIGITS, QUICK)
    wishes = Int8Wishes(held_out, tuned, False, 0.005, QUICK.method, OPENVINO)
    best, found = int8_source(source, wishes, normal["mean"], normal["std"])
    assert found["weights"] == "fine_tuned" and found["qat"]["scheme"] == "openvino"
    test = DIGITS.test()
    images, scores = normalised(test.x, normal["mean"], normal["std"]), []
    for written in (source, best):
        path = tmp_path / OpenvinoTarget().files["int8"]
        path.write_bytes(serialise(written.quantized(OPENVINO)))
        logits = OpenvinoTarget().runner(path)(images)
        scores.append(float((logits.argmax(1) == test.y.numpy()).mean()))
    assert scores[1] > scores[0] + 0.15
    learned = best.int8
    with torch.no_grad():
        network = TrainableInt8(learned.model, learned.ranges, OPENVINO).eval()
        as_trained = network(torch.from_numpy(images)).numpy()
    assert (as_trained.argmax(1) == logits.argmax(1)).mean() > 0.93, "what was trained is what OpenVINO computes"


def test_every_target_whose_int8_loses_too_much_is_warned_of(model: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    warnings = export_model(model, out, DIGITS, QUICK, [CpuTarget(), ArmTarget()])["warnings"]
    assert sum(line.startswith("int8 loses ") for line in warnings) == 1
    assert sum(line.startswith("target arm: int8 loses ") for line in warnings) == 1
    assert "- target arm: int8 loses" in (out / "MODEL_CARD.md").read_text()


def test_the_float_file_has_the_weights_of_the_transfer(exported, model: Path) -> None:
    out, manifest = exported
    trained = load_trained(model)
    written = onnx_model(trained.network, (1, 1, 8, 8), {"key": trained.genotype.key})
    assert (out / "model.onnx").read_bytes() == serialise(written)
    assert manifest["precisions"]["fp32"]["agreement"] == 1.0
    assert "fine-tuned for int8 (QAT) for 3 more epochs" in (out / "MODEL_CARD.md").read_text()


def test_the_gain_is_told_in_a_line(exported) -> None:
    _, manifest = exported
    lines = int8_lines(manifest, 0.005)
    found = manifest["int8"]
    assert f"calibrated int8 {found['calibrated']:.4f}, fine-tuned {found['fine_tuned']:.4f}" in lines[0]
    assert "the fine-tuned weights are in the int8 files" in lines[0]


def test_where_int8_loses_too_much_the_options_are_named(model: Path, tmp_path: Path) -> None:
    manifest = export_model(model, tmp_path / "out", DIGITS, QUICK)
    assert manifest["int8"] is None
    (line,) = int8_lines(manifest, 0.005)
    assert "export.qat.epochs=3" in line and "export.sensitivity=true" in line
    assert int8_lines(manifest, 1.0) == []


def test_sensitivity_keeps_layers_in_float_until_the_drop_is_met(model: Path, tmp_path: Path) -> None:
    _, held_out = held_out_images(model, DIGITS)
    settings = dataclasses.replace(QUICK, sensitivity=True, max_accuracy_drop=0.01)
    manifest = export_model(model, tmp_path / "out", DIGITS, settings, held_out=held_out)
    found = manifest["int8"]
    assert found["int8"] >= found["float32"] - 0.01 > found["calibrated"]
    assert 1 <= len(found["keep_float"]) < len(found["sensitivity"])
    assert found["keep_float"] == sorted(layer["node"] for layer in found["sensitivity"][: len(found["keep_float"])])
    assert "kept in float32" in int8_lines(manifest, 0.01)[2]


def test_weights_that_are_no_better_are_not_shipped(model: Path, tuned: Path, tmp_path: Path) -> None:
    """Here the fine-tuned network is spoilt."""
    spoilt = tmp_path / "qat"
    trained = load_trained(tuned)
    with torch.no_grad():
        trained.network.head[-1].weight.zero_()
    spoilt.mkdir()
    (spoilt / "qat.json").write_bytes((tuned / "qat.json").read_bytes())
    save_trained(spoilt, trained.network, trained.config, trained.genotype, trained.facts)
    _, held_out = held_out_images(model, DIGITS)
    with_it = export_model(model, tmp_path / "with", DIGITS, QUICK, tuned=spoilt, held_out=held_out)
    without = export_model(model, tmp_path / "without", DIGITS, QUICK)
    assert with_it["int8"]["weights"] == "calibrated"
    assert with_it["files"]["model.int8.onnx"] == without["files"]["model.int8.onnx"]
    assert "no gain" in int8_lines(with_it, 1.0)[0]


def test_the_same_again_is_kept_and_another_training_is_not(model: Path, tuned: Path) -> None:
    train, _ = held_out_images(model, DIGITS)
    before = {path.name: path.stat().st_mtime_ns for path in tuned.iterdir()}
    assert set(before) == {"model.safetensors", "genotype.json", "network.json", "qat.json"}
    (tuned / LAST).write_bytes(b"left by a kill after the end")
    assert fine_tuned(model, DIGITS, train, QUICK, dataclasses.replace(QAT, threads=1)) == tuned
    assert {path.name: path.stat().st_mtime_ns for path in tuned.iterdir()} == before


class Killed(BaseException):
    pass


@pytest.mark.parametrize(("last", "facts"), [(2, True), (3, False)], ids=["now", "before_the_loss_was_stored"])
def test_a_killed_training_goes_on_and_ends_with_the_same_bytes(
    model, tuned, tmp_path, monkeypatch, last: int, facts: bool
) -> None:
    train, _ = held_out_images(model, DIGITS)
    copy = tmp_path / "abc"
    copy.mkdir()
    for path in model.iterdir():
        if path.is_file():
            (copy / path.name).write_bytes(path.read_bytes())
    epochs: list[int] = []

    def stopping(*arguments, progress, **more):
        def after(epoch: int, of: int, loss: float) -> None:
            progress(epoch, of, loss)
            epochs.append(epoch)
            if epochs == list(range(1, last + 1)):
                raise Killed

        return original(*arguments, progress=after, **more)

    original = qat.fine_tune
    monkeypatch.setattr(qat, "fine_tune", stopping)
    with pytest.raises(Killed):
        fine_tuned(copy, DIGITS, train, QUICK, QAT)
    assert "ranges" not in json.loads((copy / "qat" / "qat.json").read_text())
    if not facts:
        stored = torch.load(copy / "qat" / LAST, weights_only=True)
        del stored["nastk"]["train_loss"]
        torch.save(stored, copy / "qat" / LAST)
    folder = fine_tuned(copy, DIGITS, train, QUICK, QAT)
    assert epochs == [1, 2, 3]
    assert {path.name: sha256(path) for path in folder.iterdir()} == {
        path.name: sha256(path) for path in tuned.iterdir()
    }


def test_images_are_those_that_the_transfer_held_out(model: Path, tmp_path: Path) -> None:
    train, held_out = held_out_images(model, DIGITS)
    assert isinstance(held_out, HeldOut) and held_out.unseen
    assert json.loads((model / "training.json").read_text())["data"]["train_sha256"] == train.fingerprint()
    assert not held_out_images(tmp_path, DIGITS)[1].unseen


@pytest.mark.parametrize(
    ("precision", "given", "allowed", "epochs"),
    [
        ("best", None, 0.005, 3),
        ("int8", None, 0.005, 3),
        ("best", None, 1.0, 0),
        ("null", None, 0.0, 0),
        ("best", 7, 0.0, 7),
    ],
)
def test_left_open_it_is_done_where_int8_is_counted_on_and_loses_too_much(
    model: Path, tmp_path: Path, capsys, precision: str, given: int | None, allowed: float, epochs: int
) -> None:
    (tmp_path / "config.yaml").write_text(f"objective: {{precision: {precision}}}")
    how = dataclasses.replace(QUICK, max_accuracy_drop=allowed)
    found = settled(QatSettings(epochs=given), tmp_path, model, DIGITS, how, CpuTarget().scheme)
    assert found.epochs == epochs
    assert ("points on images held out" in capsys.readouterr().err) == (epochs == 3)
    assert settled(QatSettings(), None, model, DIGITS, how, CpuTarget().scheme).epochs == 0


def test_a_batch_of_more_images_than_there_are_is_refused(model: Path) -> None:
    train, _ = held_out_images(model, DIGITS)
    with pytest.raises(UserError, match=r"export\.qat\.batch=5000, expected a whole number from 2 to 1150"):
        fine_tuned(model, DIGITS, train, QUICK, dataclasses.replace(QAT, batch=5000))


def test_a_damaged_file_of_ranges_is_named(model: Path, tuned: Path, tmp_path: Path) -> None:
    folder = tmp_path / "qat"
    folder.mkdir()
    for path in tuned.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    found = json.loads((folder / "qat.json").read_text())
    found["ranges"]["nowhere"] = [0.0, 1.0]
    (folder / "qat.json").write_text(json.dumps(found))
    with pytest.raises(UserError, match=r"qat\.json: a range of 'nowhere'"):
        export_model(model, tmp_path / "out", DIGITS, QUICK, tuned=folder)


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("export.qat.epochs=-1", "export.qat.epochs=-1, expected a whole number from 0"),
        ("export.qat.epochs=few", "export.qat.epochs='few': str, expected int"),
        ("export.qat.learning_rate=0", "export.qat.learning_rate=0, expected a number above 0"),
        ("export.qat=3", "export.qat=3, expected settings of its own, such as export.qat.epochs=3"),
        ("export.qat.batch=1", "export.qat.batch=1, expected a whole number from 2"),
        ("export.qat.rate=1", "export.qat.rate"),
        ("export.sensitivity=maybe", "export.sensitivity='maybe': str, expected bool"),
        ("export.qat.epochs=1", "no trained network"),
    ],
)
def test_bad_settings_are_one_line(capsys, tmp_path: Path, argument: str, message: str) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "config.yaml").write_text("seed: 0\nevaluator: {}\n")
    assert message in run(capsys, "export", f"run={folder}", argument).line


def test_a_teacher_is_part_of_the_training_and_found_before_it(model: Path, tuned: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(model, tmp_path / "transfer" / "abc"))
    train, _ = held_out_images(copy, DIGITS)
    taught = dataclasses.replace(QAT, epochs=1, teacher="self")
    before = json.loads((tuned / "qat.json").read_text())
    fine_tuned(copy, DIGITS, train, QUICK, taught)
    record = json.loads((copy / "qat" / "qat.json").read_text())["record"]
    assert record["teacher"]["sha256"] == open_teacher(copy).sha256
    assert "teacher" not in {**before["record"], **before["record"]["settings"]}, "those of before are kept"
    weights = (copy / "qat" / "model.safetensors").read_bytes()
    shutil.rmtree(copy / "qat")
    fine_tuned(copy, DIGITS, train, QUICK, dataclasses.replace(taught, teacher=str(model)))
    assert (copy / "qat" / "model.safetensors").read_bytes() == weights, "it is what counts, not where it lies"
    shutil.rmtree(copy / "qat")
    fine_tuned(copy, DIGITS, train, QUICK, dataclasses.replace(taught, teacher=None))
    assert (copy / "qat" / "model.safetensors").read_bytes() != weights
    np.savez(tmp_path / "more.npz", x=DIGITS.test().pixels(torch.arange(40))[:, 0].numpy())
    more = dataclasses.replace(DIGITS, unlabelled=str(tmp_path / "more.npz"))
    fine_tuned(copy, more, train, QUICK, taught)
    assert json.loads((copy / "qat" / "qat.json").read_text())["record"]["unlabelled"]["ratio"] == 1.0
    assert (copy / "qat" / "model.safetensors").read_bytes() != weights
    with pytest.raises(UserError, match="teacher nowhere: not there"):
        fine_tuned(copy, DIGITS, train, QUICK, dataclasses.replace(taught, teacher="nowhere"))


def test_only_images_that_a_network_was_not_trained_on_choose_its_file(model: Path, tmp_path: Path) -> None:
    held = unseen_images(model, DIGITS)
    assert held is not None and held.unseen and len(held.images.y) == 287
    assert unseen_images(model, load_data("digits", validation=0.5)) is None  # other images are held out of it now
    record = json.loads((model / "training.json").read_text())
    record["settings"]["holdout"] = False
    (tmp_path / "training.json").write_text(json.dumps(record))
    assert unseen_images(tmp_path, DIGITS) is None and unseen_images(tmp_path / "none", DIGITS) is None
