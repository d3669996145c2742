"""The commands that the pages show in their bash blocks, and the configuration that each of them composes."""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from hydra._internal.utils import get_args_parser

from nastk.__main__ import COMMANDS
from nastk.cli.foreign_config import composed, config_loader, jobs_of
from nastk.cli.launch import hydra_words
from nastk.cli.plain import parsed
from nastk.cli.wish_words import pipeline_words
from nastk.config.build import register_spaces, shipped
from nastk.jobs.doctor import DoctorSettings
from nastk.jobs.predict import PredictSettings

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
PLAIN = {"doctor": DoctorSettings, "predict": PredictSettings}


def commands(page: Path) -> Iterator[list[str]]:
    """Yields the words after `nastk` of each command of a page's bash blocks."""
    for block in re.findall(r"```bash\n(.*?)```", page.read_text(encoding="utf-8"), flags=re.DOTALL):
        for line in block.splitlines():
            words = shlex.split(line, comments=True)
            if "nastk" in words:
                yield words[words.index("nastk") + 1 :]


def make_place(folder: Path) -> None:
    """Makes what the commands name: images, and the folders for --config-dir that the pages tell to make."""
    (folder / "photos").mkdir()
    shutil.copytree(ROOT / "docs" / "extend" / "conf", folder / "conf")
    (folder / "mine" / "hydra" / "launcher").mkdir(parents=True)
    example = shipped("conf") / "hydra" / "launcher" / "slurm_example.yaml"
    shutil.copy(example, folder / "mine" / "hydra" / "launcher" / "cluster.yaml")


def compose(words: Sequence[str]) -> list[dict[str, object]]:
    """Returns the configuration of a command, of a sweep those of two jobs, in a folder of `make_place`.

    Raises:
        Exception: Hydra's or a UserError, where there is no such command, group, option or setting.
    """
    entry, given = (words[0], list(words[1:])) if words[0] in COMMANDS else ("wish", list(words))
    if entry in PLAIN:
        parsed(PLAIN[entry], given)
        return [{}]
    if entry == "wish":
        given = pipeline_words(_begun(given))
    register_spaces()
    taken = [word for word in hydra_words(given, entry) if not word.startswith("allow_targets=")]
    asked = get_args_parser().parse_args(taken)
    loader = config_loader(asked.config_dir)
    jobs = jobs_of(loader, asked.overrides)[:2] if asked.multirun else [asked.overrides]
    return [composed(loader, entry, job) for job in jobs]


def _begun(words: list[str]) -> list[str]:
    """Makes the run that a whole job without images goes on with."""
    names = [word.removeprefix("run=") for word in words if word.startswith("run=")]
    if names and not any(word.startswith("images=") for word in words):
        path = Path("runs") / names[0] / "config.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("seed: 0\n")
    return words
