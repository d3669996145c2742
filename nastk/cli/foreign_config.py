"""Refuses what files for --config-dir could make Hydra itself run: callbacks, logging, launchers, and the environment.

Hydra instantiates its own parts from the configuration before nastk sees it. They come from nastk's conf/, Hydra's
plugins and the command line, never from a folder of somebody else's settings: the folder's files are looked over before
any is composed, and what Hydra would get is then compared with what it gets without the folder.
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

from nastk.cli.config_dir import SharingRepository, checked_files
from nastk.config.build import resolver_calls, shipped
from nastk.config.trust import trusts
from nastk.errors import UserError
from nastk.own_modules import SETTING

REFUSED = {
    "config_name": "--config-name",
    "config_path": "--config-path",
    "experimental_rerun": "--experimental-rerun",  # reads a pickle, which is a program
}
OWN_LAUNCHER = "hydra.launcher"  # in allow_targets: launchers of --config-dir too, whose lines a cluster's shell runs
TOLD = ("hydra.runtime", "hydra.overrides", "hydra.job.override_dirname")  # Hydra fills these in from the command line


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
    _check_files(folder)
    loader = config_loader(given.config_dir)
    for job in jobs_of(loader, overrides) if given.multirun else [overrides]:
        _check(folder, composed(loader, config_name, job), job, loader, config_name)


def config_loader(config_dir: str | None) -> ConfigLoaderImpl:
    """Returns what composes configurations as Hydra does, from nastk's conf/ and the folder of --config-dir."""
    path = create_config_search_path(str(shipped("conf")))
    if config_dir is not None:
        path.prepend("command-line", f"file://{Path(config_dir).absolute()}", SearchPathQuery(provider="schema"))
    loader = ConfigLoaderImpl(config_search_path=path)
    loader.repository = SharingRepository(path)
    return checked_files(loader)


def jobs_of(loader: ConfigLoaderImpl, overrides: list[str]) -> list[list[str]]:
    """Returns the settings of each job of a sweep, in Hydra's order."""
    parsed = OverridesParser.create(config_loader=loader).parse_overrides(overrides)
    return [list(job) for batch in BasicSweeper.split_arguments(parsed, None) for job in batch]


def composed(loader: ConfigLoaderImpl, config_name: str, overrides: list[str]) -> dict[str, Any]:
    """Returns a configuration with Hydra's own part, interpolations as they are written."""
    found: Any = OmegaConf.to_container(loader.load_configuration(config_name, overrides, RunMode.RUN), resolve=False)
    return dict(found)


def _check_files(folder: Path) -> None:
    """Refuses files that would stand in for nastk's or Hydra's own, which may name packages for Hydra to import."""
    own = {path.stem for path in shipped("conf").glob("*.yaml")}
    for path in sorted(folder.glob("*.y*ml")):
        if path.stem in own:
            raise UserError(
                f"{path}: would replace nastk's own {path.stem}.yaml, expected a group, {folder}/GROUP/*.yaml"
            )
    for path in sorted(folder.glob("hydra/*")):
        if path.name != "launcher" and not path.name.startswith("."):
            raise UserError(f"{path}: Hydra's own groups come from nastk and Hydra alone; nothing was run")


def _check(
    folder: Path, found: dict[str, Any], overrides: list[str], loader: ConfigLoaderImpl, config_name: str
) -> None:
    skipped = (*TOLD, OWN_LAUNCHER) if trusts(OWN_LAUNCHER) else TOLD
    of_hydra = [word for word in overrides if word.lstrip("+~").startswith(("hydra.", "hydra/"))]
    of_hydra = [word for word in of_hydra if not word.lstrip("+~").replace("/", ".").startswith(skipped)]
    for word in of_hydra:
        group, _, option = word.lstrip("+~").partition("=")
        if (folder / group / f"{option}.yaml").exists():
            raise UserError(
                f"{word}: is of {folder}, and Hydra's own groups come from nastk and Hydra alone; nothing was run; "
                f"{SETTING}=[{OWN_LAUNCHER}] on the command line allows launchers of your own"
            )
    alone = composed(config_loader(None), config_name, of_hydra)["hydra"]
    for name in _differences(found["hydra"], alone, "hydra"):
        if not f"{name}.".startswith(tuple(f"{one}." for one in skipped)):
            raise UserError(f"{folder}: sets {name}, which only the command line may; nothing was run")
    for name, called in _called(found["hydra"], "hydra"):
        raise UserError(f"{name}={called!r}: expected a plugin of Hydra's; nothing was run")
    own = " ".join(overrides)
    settings = {name: value for name, value in found.items() if name != "hydra"}
    for name, text in resolver_calls(settings):
        if text not in own:
            raise UserError(f"{folder}: sets {name}={text!r}, expected a value; only the command line reads more")


def _differences(node: Any, other: Any, name: str) -> Iterator[str]:
    """Yields the dotted names of what is not the same in both."""
    if isinstance(node, Mapping) and isinstance(other, Mapping):
        for key in dict.fromkeys([*node, *other]):
            yield from _differences(node.get(key), other.get(key), f"{name}.{key}")
    elif node != other:
        yield name


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
