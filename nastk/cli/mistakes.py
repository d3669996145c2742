"""Turns what a user can get wrong in settings, or Hydra's word for it, into one line, and that into exit code 2."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from hydra._internal.utils import get_args_parser
from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from omegaconf import OmegaConf
from omegaconf.errors import ConfigAttributeError, ConfigKeyError, MissingMandatoryValue, OmegaConfBaseException

from nastk.cli.foreign_config import composed, config_loader
from nastk.cli.help import group_names
from nastk.cli.passwords import without_passwords
from nastk.config.build import shipped, shipped_spaces
from nastk.console import visible
from nastk.errors import UserError, nearest

SUBMITIT = "hydra-submitit-launcher"
LAUNCHERS = {"joblib": "hydra-joblib-launcher", "submitit_local": SUBMITIT, "submitit_slurm": SUBMITIT}
NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM}
NO_PATH = {errno.ENAMETOOLONG, errno.ELOOP}


@contextlib.contextmanager
def told_in_one_line(config_name: str) -> Iterator[None]:
    """Ends the process with one line and exit code 2 where the block raises a user's mistake; a bug passes through.

    Args:
        config_name: the entry point's, to name the nearest of its settings.
    """
    try:
        with one_kind_of_mistake(config_name, lambda: sys.argv[1:]):
            yield
    except UserError as error:
        print(f"nastk: {error}", file=sys.stderr)
        sys.exit(2)
    except BrokenPipeError:  # whoever read our output has left, as in `... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)


@contextlib.contextmanager
def one_kind_of_mistake(config_name: str, words: Callable[[], Sequence[str]]) -> Iterator[None]:
    """Raises a UserError, which shows no password and no control character, for a user's mistake of any kind.

    Args:
        config_name: the entry point's, to name the nearest of its settings.
        words: returns the command line as Hydra takes it, which chooses among groups of settings.
    """
    try:
        yield
    except UserError as error:
        shown = visible(without_passwords(str(error)))
        if shown == str(error):
            raise
        raise UserError(shown) from None
    except (HydraException, OmegaConfBaseException) as error:
        raise UserError(visible(without_passwords(_explain(error, config_name, words())))) from None
    except ValueError as error:
        if "Config group override" not in str(error):
            raise
        raise UserError(
            "a group of settings is null or a mapping, expected the name of an option; --help lists groups and options"
        ) from None
    except OSError as error:
        if error.errno in NO_PATH:
            raise UserError(f"{str(error.filename)[:80]}...: not a path that can be ({error.strerror})") from None
        if error.errno not in NO_ROOM:
            raise
        place = error.filename or "a file"
        raise UserError(f"{place}: cannot be written ({error.strerror}); what was there is unchanged") from None


def _explain(error: BaseException, config_name: str, words: Sequence[str]) -> str:
    cause = error.__cause__ if isinstance(error.__cause__, Exception) else None
    text = str(error)
    if isinstance(error, MissingConfigException):
        return _explain_missing(error, text)
    if isinstance(error, OverrideParseException):
        why = " ".join(text.partition("See https")[0].split())
        return f"{error.override!r}: not understood ({why}), expected name=value"
    missing = next((one for one in (error, cause) if isinstance(one, MissingMandatoryValue)), None)
    if missing is not None:
        name = missing.full_key or missing.key or "a setting"
        return f"{name}: not given, expected {name}=VALUE on the command line"
    match = re.search(r"Could not override '([^']+)'", text) or re.search(r"Key '([^']+)' is not in struct", text)
    if match or isinstance(error, ConfigKeyError | ConfigAttributeError):
        name = match.group(1).lstrip("+") if match else str(getattr(error, "full_key", "?"))
        return unknown_setting(name, config_name, words)
    return f"configuration: {' '.join(text.split())[:300]}"


def _explain_missing(error: MissingConfigException, text: str) -> str:
    missing = error.missing_cfg_file or ""
    match = re.search(r"Could not find '([^']+)'", text)
    group, _, name = (match.group(1) if match else missing).rpartition("/")
    if group == "hydra/launcher" and name in LAUNCHERS:
        return f"hydra/launcher={name}: needs {LAUNCHERS[name]}, not installed; pip install 'nastk[sweeps]'"
    if group == "space":
        options = shipped_spaces()
    else:
        options = list(error.options or [])
    if not options:
        return f"{missing or text}: no such configuration"
    names = nearest(name, options)
    return f"unknown {group or 'configuration'} {name!r}; nearest is {names[0]!r}, there are: {', '.join(names)}"


def unknown_setting(name: str, config_name: str, words: Sequence[str]) -> str:
    """Returns that an entry point has no such setting, and which are nearest; `words` choose among groups."""
    groups = [group for group in group_names(config_name) if group != name]
    chosen = [argument for argument in words if argument.lstrip("+").split("=")[0] in groups]
    names = groups + setting_names(
        config_name,
        [argument for argument in chosen if "," not in argument and "(" not in argument],
        get_args_parser().parse_known_args(list(words))[0].config_dir,
    )
    others = _options_with(name)
    if others and name.partition(".")[0] in names:
        return f"unknown setting {name!r} here; it is one of {' and '.join(others)}; --help lists all"
    closest = nearest(name, dict.fromkeys(names))[:3]
    return f"unknown setting {name!r}; nearest is {closest[0]!r}, then {', '.join(closest[1:])}; --help lists all"


def _options_with(name: str) -> list[str]:
    """Returns the options, as group=option, of a setting's group that have it, whichever was chosen."""
    group, _, field = name.partition(".")
    paths = sorted(shipped("conf").glob(f"{group}/*.yaml")) if re.fullmatch(r"\w+", group) else []
    settings = {path.stem: OmegaConf.to_container(OmegaConf.load(path), resolve=False) for path in paths}
    return [f"{group}={option}" for option, node in settings.items() if field in _dotted(node, "")]


def setting_names(config_name: str, overrides: list[str], config_dir: str | None = None) -> list[str]:
    """Returns the dotted names of all settings that the entry point has with these choices of groups.

    Args:
        config_name: the entry point's.
        overrides: the choices.
        config_dir: a folder of groups of the user's own, among which some may choose.
    """
    config = composed(config_loader(config_dir), config_name, overrides)
    return sorted(_dotted({name: node for name, node in config.items() if name != "hydra"}, ""))


def _dotted(node: Any, prefix: str) -> list[str]:
    if not isinstance(node, dict):
        return [prefix[:-1]]
    return [prefix[:-1]] * bool(prefix) + [
        name for key, part in node.items() for name in _dotted(part, f"{prefix}{key}.")
    ]
