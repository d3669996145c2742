"""What a final training refuses, before it trains or overwrites anything."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from nastk.data.images import DataSource
from nastk.errors import UserError
from nastk.training.failure import TrainingFailed
from nastk.training.transfer import TransferSettings, train_final, train_rung
from tests.training.final import NETWORK, SETTINGS, broken, final
from tests.training.small import few_digits, genotype


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"epochs": 5}, "settings.epochs is 4 there and 5 here"),
        ({"seed": 1}, "settings.seed is 0 there and 1 here"),
        ({"cutout": 0.5}, "settings.cutout"),
    ],
)
@pytest.mark.parametrize("finished", [True, False])
def test_a_folder_of_other_settings_is_refused(
    change: dict[str, Any], message: str, finished: bool, data: DataSource, unbroken: Path, tmp_path: Path
) -> None:
    folder = unbroken
    if not finished:
        folder = tmp_path / "net"
        broken(folder, data, 1)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(UserError, match=f"holds another training .{message}"):
        final(folder, data, **change)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_a_mistake_before_the_first_epoch_can_be_put_right_in_the_same_folder(data: DataSource, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="batch"):
        final(tmp_path / "net", data, batch=100_000)
    assert final(tmp_path / "net", data, epochs=1)["epochs"] == 1


def test_a_folder_of_another_genotype_network_or_data_is_refused(
    data: DataSource, unbroken: Path, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match="another genotype"):
        train_final(genotype("conv_3x3"), NETWORK, data, SETTINGS, unbroken)
    with pytest.raises(UserError, match="network.filters is 4 there and 8 here"):
        train_final(genotype(), dataclasses.replace(NETWORK, filters=8), data, SETTINGS, unbroken)
    with pytest.raises(UserError, match="other training images"):
        train_final(genotype(), NETWORK, few_digits(tmp_path, train=190), SETTINGS, unbroken)


def test_device_and_threads_may_differ(data: DataSource, unbroken: Path) -> None:
    assert final(unbroken, data, threads=2, device="auto")["epochs"] == 4


def test_a_folder_of_other_files_is_refused(data: DataSource, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(UserError, match=r"holds thesis\.txt but no training\.json"):
        final(tmp_path, data)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_network_that_does_not_fit_the_data_is_refused(data: DataSource, tmp_path: Path) -> None:
    for change in ({"classes": 9}, {"channels": 3}, {"size": 16}):
        with pytest.raises(UserError, match=f"network: {next(iter(change))}="):
            train_final(genotype(), dataclasses.replace(NETWORK, **change), data, SETTINGS, tmp_path / "net")
    assert not (tmp_path / "net").exists()


def test_a_training_that_diverges_is_said_in_one_line(data: DataSource, tmp_path: Path) -> None:
    with pytest.raises(TrainingFailed, match=r"net: diverged: the training loss is (nan|inf)"):
        final(tmp_path / "net", data, learning_rate=1e30, clip=0.0)
    with pytest.raises(UserError, match=r"net: diverged: the loss of the trained network is (nan|inf)"):
        final(
            tmp_path / "at the last step" / "net", data, learning_rate=1e30, clip=0.0, warmup=0.0, epochs=1, batch=200
        )
    assert not (tmp_path / "at the last step" / "net" / "metrics.json").exists()


def test_a_folder_that_cannot_be_made_is_said_in_one_line(data: DataSource, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(UserError, match="cannot be written"):
        final(tmp_path / "file" / "net", data)


@pytest.mark.parametrize(("field", "value"), [("average", 1.5), ("seed", -1), ("threads", 0), ("crop", 3.0)])
def test_an_impossible_setting_is_refused(field: str, value: object) -> None:
    with pytest.raises(UserError, match=f"{field}="):
        TransferSettings(**{field: value})


def test_a_known_score_counts_only_for_the_training_that_it_is_of(data: DataSource, tmp_path: Path) -> None:
    folder, settings = tmp_path / "net", dataclasses.replace(SETTINGS, holdout=True)
    scored = train_rung(genotype(), NETWORK, data, settings, folder, 1)
    assert train_rung(genotype(), NETWORK, data, settings, folder, 1) == scored
    other = dataclasses.replace(settings, optimizer="muon")
    with pytest.raises(UserError, match="holds another training.*training.optimizer=sgd"):
        train_rung(genotype(), NETWORK, data, other, folder, 1)
