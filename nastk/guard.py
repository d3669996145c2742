"""Refuses what files for --config-dir could make Hydra itself run: callbacks, logging, launchers, and the environment.

Hydra instantiates its own parts from the configuration before nastk sees it. They may come from the command line and
from nastk's conf/, never from a folder of somebody else's settings.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra._internal.utils import create_config_search_path, get_args_parser
from hydra.core.config_search_path import SearchPathQuery
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.types import RunMode
from omegaconf import OmegaConf

from nastk.config import resolver_calls, shipped
from nastk.errors import UserError

REFUSED = {
    "config_name": "--config-name",
    "config_path": "--config-path",
    "experimental_rerun": "--experimental-rerun",  # reads a pickle, which is a program
}
RUN_BY_HYDRA = ("callbacks", "launcher", "sweeper", "hydra_logging", "job_logging", "env", "mode")
OF_THE_JOB = ("chdir", "env_set", "env_copy")


def check_command_line(words: Sequence[str], config_name: str) -> None:
    """Checks a command line before Hydra acts on it; costs nothing without --config-dir.

    Raises:
        UserError: an option that replaces nastk's own configuration, or a file that has Hydra run something or reads
            the environment.
    """
    given = get_args_parser().parse_args(list(words))
    for name, option in REFUSED.items():
        if getattr(given, name, None):
            raise UserError(f"{option}: not taken, expected settings, or --config-dir DIR for groups of your own")
    overrides = list(given.overrides or ())
    if any(word.lstrip("+").startswith("hydra.searchpath") for word in overrides):
        raise UserError("hydra.searchpath: not taken, expected --config-dir DIR for groups of your own")
    if given.config_dir is None:
        return
    folder = Path(given.config_dir).absolute()
    if not folder.is_dir():
        raise UserError(f"--config-dir={given.config_dir}: no such folder")
    loader = config_loader(given.config_dir)
    for job in jobs_of(loader, overrides) if given.multirun else [overrides]:
        _check(folder, composed(loader, config_name, job), job, loader, config_name)


def config_loader(config_dir: str | None) -> ConfigLoaderImpl:
    """Returns what composes configurations as Hydra does, from nastk's conf/ and the folder of --config-dir."""
    path = create_config_search_path(str(shipped("conf")))
    if config_dir is not None:
        path.prepend("command-line", f"file://{Path(config_dir).absolute()}", SearchPathQuery(provider="schema"))
    return ConfigLoaderImpl(config_search_path=path)


def jobs_of(loader: ConfigLoaderImpl, overrides: list[str]) -> list[list[str]]:
    """Returns the settings of each job of a sweep, in Hydra's order."""
    parsed = OverridesParser.create(config_loader=loader).parse_overrides(overrides)
    return [list(job) for batch in BasicSweeper.split_arguments(parsed, None) for job in batch]


def composed(loader: ConfigLoaderImpl, config_name: str, overrides: list[str]) -> dict[str, Any]:
    """Returns a configuration with Hydra's own part, interpolations as they are written."""
    found: Any = OmegaConf.to_container(loader.load_configuration(config_name, overrides, RunMode.RUN), resolve=False)
    return dict(found)


def _check(
    folder: Path, found: dict[str, Any], overrides: list[str], loader: ConfigLoaderImpl, config_name: str
) -> None:
    of_hydra = [word for word in overrides if word.lstrip("+~").startswith(("hydra.", "hydra/"))]
    alone = composed(loader, config_name, of_hydra)["hydra"]
    for name in RUN_BY_HYDRA:
        if found["hydra"].get(name) != alone.get(name):
            raise UserError(f"{folder}: sets hydra.{name}, which only the command line may; nothing was run")
    for name in OF_THE_JOB:
        if found["hydra"]["job"].get(name) != alone["job"].get(name):
            raise UserError(f"{folder}: sets hydra.job.{name}, which only the command line may; nothing was run")
    for name, called in _called(found["hydra"], "hydra"):
        raise UserError(f"{name}={called!r}: expected a plugin of Hydra's; nothing was run")
    own = " ".join(overrides)
    settings = {name: value for name, value in found.items() if name != "hydra"}
    for name, text in resolver_calls(settings):
        if text not in own:
            raise UserError(f"{folder}: sets {name}={text!r}, expected a value; only the command line reads more")


def _called(node: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Yields what Hydra would import and call, other than its plugins and the standard library's log handlers."""
    if isinstance(node, Mapping):
        for key, value in node.items():
            place = f"{name}.{key}"
            plugin = place in ("hydra.launcher._target_", "hydra.sweeper._target_")  # Hydra takes registered ones only
            logs = key == "class" and str(value).startswith("logging.")
            if key in ("_target_", "()", "class") and not plugin and not logs:
                yield place, value
            yield from _called(value, place)
    elif isinstance(node, Sequence) and not isinstance(node, str | bytes):
        for index, value in enumerate(node):
            yield from _called(value, f"{name}[{index}]")
