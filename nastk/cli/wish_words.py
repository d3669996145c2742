"""The words of the whole job, `images=FOLDER max_latency_ms=3`, and those of the pipeline that they stand for."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from nastk.checks import check_number, check_whole
from nastk.cli.help import top_names
from nastk.cli.sweeps import quoted
from nastk.config.build import shipped
from nastk.data.decode import SUFFIXES
from nastk.errors import UserError, nearest, unknown
from nastk.own_modules import SETTING
from nastk.runs.folder import named_run

# What stands for which settings of the pipeline; either is given, not both.
OWN = {
    "images": ("data", "data.root", "data.path"),
    "max_latency_ms": ("objective.max_latency_ms",),
    "max_model_kb": ("objective.max_params",),
    "size": ("data.resize",),
}
SPACE = "mobile"
OF_ONES_OWN = ("image_folder", "npz", "huggingface")  # sources that are no set by themselves
# Of an int8 file a parameter takes a byte; the rest (scales, biases, graph) took 25 to 100 kB in networks of 12 to 40
# convolutions. Of a small file at most half is left to it: what comes of that is weighed at the end.
REST_BYTES, LEAST_SHARE = 100_000, 0.5
KILOBYTE = 1000
NO_JOB = ("--cfg", "-c", "--info", "-i", "--hydra-help", "--shell-completion", "-sc")
SWEEPS = ("-m", "--multirun")


def pipeline_words(words: Sequence[str]) -> list[str]:
    """Returns the words with the pipeline's settings in place of the first of `OWN`, these behind them.

    A run that is there goes on with what it has: of what was left open nothing is chosen anew.

    Raises:
        UserError: a value that cannot be, a setting that is there twice, images that are not there or not given.
    """
    own = _own(words)
    if any(word in SWEEPS for word in words):
        raise UserError("--multirun: one job a command; nastk pipeline -m +space=mobile ... runs several")
    if any(word.partition("=")[0] in NO_JOB for word in words):
        return [word for word in words if _name(word) not in OWN]
    begun = _is_begun(words)
    if "images" not in own and not begun:
        raise _no_images(words)
    found = [] if begun or any(_name(word) == "space" for word in words) else [f"+space={SPACE}"]
    for name, value in own.items():
        found += _meant(name, value)
    place = next((index for index, word in enumerate(words) if _name(word) in OWN), len(words))
    return [
        *(word for word in words[:place] if _name(word) not in OWN),
        *found,
        *(word for word in words[place:] if _name(word) not in OWN),
    ]


def _own(words: Sequence[str]) -> dict[str, str]:
    """Returns the values of `OWN` that are given."""
    given: dict[str, str] = {}
    names = [_name(word) for word in words]
    for word, name in zip(words, names, strict=True):
        if name not in OWN:
            continue
        if name in given:
            raise UserError(f"{name}: given twice, {given[name]!r} and {word.partition('=')[2]!r}; expected once")
        other = next((other for other in OWN[name] if other in names), None)
        if other is not None:
            raise UserError(f"{name} and {other}: both given, and the one stands for the other; expected one of them")
        given[name] = word.partition("=")[2]
    return given


def _meant(name: str, value: str) -> list[str]:
    """Returns the pipeline's words for a setting, and the setting itself as Hydra takes it."""
    if name == "images":
        found = image_settings(value)
        return [
            *(f"{one}={text if one == 'data' else quoted(text)}" for one, text in found.items()),
            f"images={quoted(value)}",
        ]
    if value == "null":
        return []
    if name == "size":
        check_whole(name, int(value) if value.isdecimal() else value, 1)
        return [f"data.resize={value}"]
    limit = check_number(name, _number(value), 0, above=True)
    if name == "max_model_kb":
        room = limit * KILOBYTE
        return [f"objective.max_params={max(room - REST_BYTES, LEAST_SHARE * room):.0f}", f"max_model_kb={limit:g}"]
    return [f"objective.max_latency_ms={limit!r}"]


def image_settings(value: str) -> dict[str, str]:
    """Returns the settings of the source of images, by name; what lies there goes before a set of the same name.

    Args:
        value: a folder, an .npz file, or the name of a set.

    Raises:
        UserError: it is none of these.
    """
    path = Path(value).expanduser()
    sets = _sets()
    if value and path.is_dir():
        return {"data": "image_folder", "data.root": value}
    if path.is_file():
        if path.suffix.lower() == ".npz":
            return {"data": "npz", "data.root": value}
        hint = f"; the folder of the set, {os.fspath(path.parent.parent)!r}?" if path.suffix in SUFFIXES else ""
        raise UserError(f"images={value!r}: a file, expected a folder or an .npz file{hint}")
    if value in sets:
        return {"data": value}
    if value and os.sep not in value and "." not in value:
        raise UserError(f"images={value!r}: no such folder; {unknown('set', value, sets)}")
    raise UserError(
        f"images={value!r}: no such folder or file, expected a folder with a folder of images for each class, an .npz "
        f"file, or one of {', '.join(sets)}"
    )


def _sets() -> list[str]:
    return sorted(path.stem for path in (shipped("conf") / "data").glob("*.yaml") if path.stem not in OF_ONES_OWN)


def _no_images(words: Sequence[str]) -> UserError:
    """Returns that there are no images, or which word may have been meant for them."""
    run = next((word.partition("=")[2] for word in words if _name(word) == "run"), None)
    known = [*top_names("wish"), "hydra", SETTING]
    for name in filter(None, map(_name, words)):
        if name.partition(".")[0].partition("/")[0] not in known:
            first, *more = nearest(name, known)[:3]
            return UserError(
                f"unknown setting {name!r}; nearest is {first!r}, then {', '.join(more)}; --help lists all"
            )
    there = "" if run is None else f"; run={run!r} is no run yet that could go on"
    return UserError(f"images: not given, expected images=FOLDER with a folder of images for each class{there}")


def _is_begun(words: Sequence[str]) -> bool:
    """Says whether the run that is named is there, to go on."""
    given = {_name(word): word.partition("=")[2].strip("'\"") for word in words if _name(word) in ("run", "runs")}
    try:
        return "run" in given and (named_run(given["run"], given.get("runs", "runs")) / "config.yaml").exists()
    except (UserError, OSError):
        return False  # told when the run is opened


def _name(word: str) -> str:
    return word.partition("=")[0].lstrip("+") if "=" in word and not word.startswith("-") else ""


def _number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text
