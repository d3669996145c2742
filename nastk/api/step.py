"""Runs a step from Python as its command would: composed by Hydra, checked in the same order, but silent."""

from __future__ import annotations

import contextlib
import copy
import io
import logging
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import TextIO, TypeVar, cast

from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import setup_globals
from hydra.types import RunMode
from omegaconf import DictConfig, open_dict

from nastk.cli.foreign_config import config_loader
from nastk.cli.interrupts import WHOLE
from nastk.cli.launch import LIBRARIES, hydra_words, silence_libraries
from nastk.cli.mistakes import one_kind_of_mistake
from nastk.cli.passwords import refuse_passwords
from nastk.config.build import register_spaces
from nastk.console import Visible, visible
from nastk.events import Event, Listener, Said, heard, tell
from nastk.live.shown import AUTO, shown, shown_quietly

Result = TypeVar("Result")


def run_step(
    entry: str,
    words: Callable[[], Sequence[str]],
    job: Callable[[DictConfig], Result],
    show: bool,
    progress: Listener,
) -> Result:
    """Composes the configuration of an entry point and runs its job on it.

    Args:
        entry: of the settings, conf/<entry>.yaml.
        words: returns those of the command line.
        job: gets the configuration.
        show: let the job print; else each line is a `nastk.Said` for `progress`.
        progress: gets what happens, a `nastk.Event` at a time.

    Raises:
        UserError: as the command, which prints it; nothing ends the process.
    """
    taken: list[str] = []
    outside = _outside(progress)
    with _silent(show), heard(progress if show else outside), one_kind_of_mistake(entry, lambda: taken):
        given = list(words())
        refuse_passwords(given)
        register_spaces()
        taken += hydra_words(given, entry)
        called = "plan" if entry == WHOLE else entry
        with _composed(entry, taken) as config, (shown if show else shown_quietly)(called, config.get("log", AUTO)):
            return job(config)


@contextlib.contextmanager
def _composed(entry: str, words: Sequence[str]) -> Iterator[DictConfig]:
    """Yields the configuration; jobs find the words in HydraConfig, which is put back afterwards."""
    setup_globals()
    whole = config_loader(None).load_configuration(entry, list(words), RunMode.RUN)
    hydra = HydraConfig.instance()
    before = hydra.cfg
    config = copy.deepcopy(whole)
    with open_dict(config):
        del config["hydra"]
    hydra.set_config(whole)
    try:
        yield config
    finally:
        hydra.cfg = before


@contextlib.contextmanager
def _silent(show: bool) -> Iterator[None]:
    """Keeps libraries quiet, and what the job prints for those who listen; all is as before afterwards."""
    levels = {name: logging.getLogger(name).level for name in LIBRARIES}
    with warnings.catch_warnings(), contextlib.ExitStack() as stack:
        silence_libraries()
        lines = Lines()
        out, err = (Visible(sys.stdout), Visible(sys.stderr, forgiving=True)) if show else (lines, lines)
        stack.enter_context(contextlib.redirect_stdout(cast(TextIO, out)))
        stack.enter_context(contextlib.redirect_stderr(cast(TextIO, err)))
        if not show:
            warnings.simplefilter("ignore")
        try:
            yield
        finally:
            for name, level in levels.items():
                logging.getLogger(name).setLevel(level)


def _outside(listener: Listener) -> Listener:
    """Returns a listener that prints to where this process prints now, whatever a step does with that."""
    out, err = sys.stdout, sys.stderr

    def hear(event: Event) -> None:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            listener(event)

    return hear


class Lines(io.TextIOBase):
    """A text stream that tells each line as a `nastk.Said`."""

    def __init__(self) -> None:
        self._begun = ""

    def write(self, text: str, /) -> int:
        *whole, self._begun = (self._begun + text).split("\n")
        for line in whole:
            if line.strip():
                tell(Said(visible(line.rstrip())))
        return len(text)

    def writable(self) -> bool:
        return True
