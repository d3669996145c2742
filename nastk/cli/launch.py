"""Runs an entry point under Hydra, from the words of its command line."""

from __future__ import annotations

import functools
import logging
import os
import shlex
import sys
import warnings
from collections.abc import Callable, Sequence
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from nastk.cli.foreign_config import check_command_line
from nastk.cli.help import help_text
from nastk.cli.hydra_entry import entry_of
from nastk.cli.interrupts import WHOLE, command_to_go_on, command_words, goes_on_with, stoppable
from nastk.cli.mistakes import told_in_one_line
from nastk.cli.passwords import refuse_passwords
from nastk.cli.run_words import words_for_run
from nastk.cli.sweeps import Sweep, begun_sweep, end_sweep, run_swept, sweeping
from nastk.config.build import register_spaces
from nastk.config.trust import keep_trust, trust
from nastk.console import accept_every_letter, console
from nastk.errors import UserError
from nastk.live.shown import AUTO, shown
from nastk.own_modules import SETTING, VARIABLE
from nastk.runs.folder import held

LIBRARIES = ("pytorch_lightning", "lightning.pytorch", "lightning", "optuna", "onnxruntime", "torch")
PATHS = (
    *("run", "run2", "runs", "model", "sweep", "genotype", "picture", "data.root", "data.path", "evaluator.table"),
    *("latency.path", "learn", "answers", "out", "storage.url", "storage.study"),
)


def _as_given(words: Sequence[str]) -> Sequence[str]:
    return words


@console
def launch(
    config_name: str, job: Callable[[DictConfig], None], meant: Callable[[Sequence[str]], Sequence[str]] = _as_given
) -> None:
    """Composes the configuration from the command line and runs `job` on it.

    Exits with 2 and one line on a user's mistake, with 130 after Ctrl-C and 143 after SIGTERM, and says how to go on; a
    bug keeps its traceback.

    Args:
        config_name: of the entry point's settings in conf/.
        job: gets the configuration.
        meant: returns the words that stand for those of the command line.
    """
    given = sys.argv[1:]
    with told_in_one_line(config_name):
        text = help_text(config_name, given)
        if text is None:
            refuse_passwords(given)
            _launch(config_name, job, given, meant(given))
        else:
            print(text)


def _launch(config_name: str, job: Callable[[DictConfig], None], given: list[str], meant: Sequence[str]) -> None:
    """Does what `launch` says, with the words that Hydra is to read."""
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra then raises instead of printing, and the lines below are ours
    silence_libraries()
    register_spaces()
    words = hydra_words(list(meant), config_name)
    sys.argv[1:] = [word for word in words if not word.startswith(f"{SETTING}=")]
    seen = _seen(config_name, job)
    mistakes: list[UserError | OSError | OmegaConfBaseException] = []

    @functools.wraps(job)
    def kept_from_hydra(config: DictConfig) -> None:
        """Hydra would print a line of its own about the exception; of a sweep it would end the other jobs."""
        keep_trust(added)  # hydra.job.env_set was carried out by now
        if HydraConfig.get().mode == RunMode.MULTIRUN:
            silence_libraries()  # it may be another process
            accept_every_letter()
            run_swept(seen, config)
            return
        try:
            seen(config)
        except (UserError, OSError, OmegaConfBaseException) as error:
            mistakes.append(error)

    entry = entry_of(config_name, kept_from_hydra)
    trust([name for word in words if word.startswith(f"{SETTING}=") for name in _names(word)])
    added = os.environ.get(VARIABLE)
    check_command_line(sys.argv[1:], config_name)
    with stoppable(lambda: command_to_go_on(config_name, given)):
        sweep, sys.argv[1:] = begun_sweep(sys.argv[1:], config_name)
        _run(entry, sweep, config_name)
        if mistakes:
            raise mistakes[0]


def _seen(config_name: str, job: Callable[[DictConfig], None]) -> Callable[[DictConfig], None]:
    """Returns the job, shown while it runs as its setting `log` says; several that run at once get lines, no views."""

    @functools.wraps(job)
    def run(config: DictConfig) -> None:
        alone = not sweeping() or HydraConfig.get().runtime.choices.get("hydra/launcher") == "basic"
        with shown("plan" if config_name == WHOLE else config_name, config.get("log", AUTO), alone):
            job(config)

    return run


def hydra_words(given: list[str], config_name: str) -> list[str]:
    """Returns the words of a command line as Hydra takes them."""
    swept = any(word in ("-m", "--multirun") for word in given)
    meant = [f"data.root={word.removeprefix('data=')}" if _is_set(word, config_name) else word for word in given]
    return words_for_run([_understood(word, swept) for word in meant], config_name)


def _is_set(word: str, config_name: str) -> bool:
    """Says whether a word names the file of a set, where there is no choice of sources; to Hydra it names a source."""
    return config_name == "backbone" and word.startswith("data=")


def _run(entry: Callable[[], Any], sweep: Sweep | None, config_name: str) -> None:
    if sweep is None:
        entry()
    else:
        _run_sweep(sweep, entry, config_name)


def _run_sweep(sweep: Sweep, entry: Callable[[], Any], config_name: str) -> None:
    """Jobs keep their errors to themselves; what comes here is of the launcher, whose worker or machine was lost."""
    goes_on_with(**{"hydra.sweep.dir": sweep.folder})
    with held(sweep.folder):
        try:
            entry()
        except (UserError, HydraException, OmegaConfBaseException):
            raise
        except Exception as error:
            line = (str(error).strip().splitlines() or [""])[0]
            print(f"nastk: the launcher stopped ({type(error).__name__}: {line})", file=sys.stderr)
        if end_sweep(sweep, config_name):
            sys.exit(1)


def say_next(entry: str, **given: object) -> None:
    """Prints the command for the next step, quoted for a shell."""
    print(f"Next: {command(entry, **given)}")


def command(entry: str, **given: object) -> str:
    """Returns a command line, quoted for a shell."""
    return shlex.join([*command_words(entry), *(f"{name}={value}" for name, value in given.items())])


def silence_libraries() -> None:
    """Silences the libraries' informational output: what a user reads is nastk's."""
    warnings.filterwarnings("ignore", module=r"(hydra|optuna|lightning|pytorch_lightning|torch|onnx)\b.*")
    warnings.filterwarnings("ignore", category=DeprecationWarning)
    for name in LIBRARIES:
        logging.getLogger(name).setLevel(logging.ERROR)


def _understood(argument: str, swept: bool = False) -> str:
    """Returns an argument as Hydra takes it; in a sweep a comma parts values, and a function gives several.

    `space=` is not in the defaults list, so Hydra wants a plus; whoever forgets it means the same. Names and paths are
    text whatever they look like: Hydra would make a number of run=7, and stumble over a space, an umlaut or a bracket.
    """
    if argument.startswith("space="):
        return f"+{argument}"
    name, _, value = argument.partition("=")
    if name not in PATHS or not value or value == "null" or any(sign in value for sign in "'\"${\\"):
        return argument
    if ("(" if swept else ",") in value:
        return argument
    return f"{name}=" + ",".join(f"'{part.strip()}'" for part in (value.split(",") if swept else [value]))


def _names(word: str) -> list[str]:
    """Returns the names in allow_targets=[a,b]; it is no setting of Hydra's, so that no file can give it."""
    return [name.strip() for name in word.partition("=")[2].strip("[]").split(",") if name.strip()]
