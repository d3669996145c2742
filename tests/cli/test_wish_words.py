"""The words of the whole job: what they stand for, and that a mistake in them is one line and leaves nothing behind."""

from __future__ import annotations

from pathlib import Path

import pytest

from nastk.cli.wish_words import pipeline_words
from nastk.errors import UserError
from tests.commands import run

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with images of one's own in it, and a run."""
    for name in ("photos", "it's, mine", "digits of mine"):
        (tmp_path / name).mkdir()
    (tmp_path / "set.npz").touch()
    (tmp_path / "a.jpg").touch()
    (tmp_path / "runs" / "old").mkdir(parents=True)
    (tmp_path / "runs" / "old" / "config.yaml").touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


NEW = "+space=mobile"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["images=photos"], [NEW, "data=image_folder", "data.root='photos'", "images='photos'"]),
        (["images=set.npz"], [NEW, "data=npz", "data.root='set.npz'", "images='set.npz'"]),
        (["images=digits"], [NEW, "data=digits", "images='digits'"]),
        (["images=it's, mine"], [NEW, "data=image_folder", "data.root='it\\'s, mine'", "images='it\\'s, mine'"]),
        (
            ["trials=3", "images=digits", "transfer.top=2", "max_latency_ms=1e-1", "size=16", "--config-dir", "x"],
            [
                *("trials=3", NEW, "data=digits", "images='digits'", "objective.max_latency_ms=0.1", "data.resize=16"),
                *("transfer.top=2", "--config-dir", "x"),
            ],
        ),
        (["images=digits", "+space=nasnet"], ["data=digits", "images='digits'", "+space=nasnet"]),
        (["images=digits", "max_latency_ms=null"], [NEW, "data=digits", "images='digits'"]),
        (["run=old"], ["run=old"]),
        (["run=old", "images=digits"], ["run=old", "data=digits", "images='digits'"]),
        (
            ["images=digits", "max_model_kb=1000"],
            [NEW, "data=digits", "images='digits'", "objective.max_params=900000", "max_model_kb=1000"],
        ),
    ],
)
def test_words_stand_for_those_of_the_pipeline(place: Path, words: list[str], expected: list[str]) -> None:
    assert pipeline_words(words) == expected


def test_a_folder_goes_before_a_set_of_the_same_name(place: Path) -> None:
    (place / "cifar10").mkdir()
    assert "data.root='cifar10'" in pipeline_words(["images=cifar10"])
    assert "data=cifar100" in pipeline_words(["images=cifar100"])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["max_latency_ms=3"], "images: not given, expected images=FOLDER"),
        (["run=new"], "run='new' is no run yet that could go on"),
        (["image=photos"], "unknown setting 'image'; nearest is 'images'"),
        (["images=digts"], "images='digts': no such folder; unknown set 'digts'; nearest is 'digits'"),
        (["images=fotos/mine"], "images='fotos/mine': no such folder or file, expected a folder"),
        (["images="], "images='': no such folder or file"),
        (["images=a.jpg"], "images='a.jpg': a file, expected a folder or an .npz file"),
        (["images=photos", "images=digits"], "images: given twice, 'photos' and 'digits'"),
        (["images=photos", "data.root=x"], "images and data.root: both given"),
        (["images=photos", "max_latency_ms=0"], "max_latency_ms=0.0, expected a number above 0"),
        (["images=photos", "max_latency_ms=3ms"], "max_latency_ms='3ms', expected a number above 0"),
        (["images=photos", "max_latency_ms=inf"], "max_latency_ms=inf, expected a number above 0"),
        (["images=photos", "max_model_kb=-1"], "max_model_kb=-1.0, expected a number above 0"),
        (["images=photos", "size=0"], "size=0, expected a whole number of at least 1"),
        (["images=photos", "size=small"], "size='small', expected a whole number"),
        (["-m", "images=photos", "seed=1,2"], "one job a command"),
    ],
)
def test_a_mistake_is_named(place: Path, words: list[str], message: str) -> None:
    with pytest.raises(UserError) as error:
        pipeline_words(words)
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["images=photos"], "photos: the folder is empty"),
        (["images=digits", "max_latency_ms=3", "trails=2"], "unknown setting 'trails'; nearest is 'trials'"),
        (["images=digits", "target=tensorrt"], "target tensorrt: no engine built, nothing timed"),
    ],
)
def test_a_mistake_on_the_command_line_is_one_line_and_nothing_is_written(
    capsys: Capture, place: Path, words: list[str], message: str
) -> None:
    before = sorted(place.rglob("*"))
    outcome = run(capsys, "wish", *words)
    assert message in outcome.line
    assert outcome.err.strip() == outcome.line, "no plan is told of what cannot be"
    assert sorted(place.rglob("*")) == before
