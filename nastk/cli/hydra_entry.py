"""Has Hydra compose a configuration and run a job on it: once, where the command line asks for no more."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

import hydra
from hydra._internal.hydra import Hydra
from hydra._internal.utils import get_args_parser
from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig

from nastk.cli.foreign_config import config_loader
from nastk.config.build import shipped

VERSION = "1.3"  # of Hydra, whose behaviour is meant
MODE = "hydra.mode"


def entry_of(config_name: str, job: Callable[[DictConfig], None]) -> Callable[[], None]:
    """Returns what reads the command line (`sys.argv`) as Hydra does, and runs `job` on the configuration.

    `hydra.main` composes every configuration twice: at first only to learn whether `hydra.mode` asks for a sweep. Where
    the command line has settings alone, and that is not among them, this composes it once; all else is left to Hydra.

    Args:
        config_name: of the entry point's settings in conf/.
        job: gets the configuration.
    """
    whole: Callable[[], None] = hydra.main(str(shipped("conf")), config_name, VERSION)(job)

    def entry() -> None:
        given = get_args_parser().parse_args()
        if _settings_alone(given):
            _run(given, config_name, job)
        else:
            whole()

    return entry


def _settings_alone(given: argparse.Namespace) -> bool:
    """Says whether nothing but settings, and a folder of them, is given."""
    options = {name for name, value in vars(given).items() if value} - {"overrides", "config_dir"}
    return not options and not any(MODE in word for word in given.overrides)


def _run(given: argparse.Namespace, config_name: str, job: Callable[[DictConfig], Any]) -> None:
    program = Hydra(task_name=config_name, config_loader=config_loader(given.config_dir))
    GlobalHydra.instance().initialize(program)
    try:
        program.run(config_name, job, given.overrides)
    finally:
        GlobalHydra.instance().clear()
