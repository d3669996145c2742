"""Turns what a user can get wrong on a command line, or Hydra's word for it, into one line and exit code 2."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import sys
from collections.abc import Iterator
from typing import Any, NoReturn

import hydra
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from omegaconf import OmegaConf
from omegaconf.errors import ConfigAttributeError, ConfigKeyError, MissingMandatoryValue, OmegaConfBaseException

from nastk.cli.passwords import without_passwords
from nastk.config.build import shipped, shipped_spaces
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
        yield
    except UserError as error:
        _fail(str(error))
    except (HydraException, OmegaConfBaseException) as error:
        _fail(_explain(error, config_name))
    except ValueError as error:
        if "Config group override" not in str(error):
            raise
        _fail(
            "a group of settings is null or a mapping, expected the name of an option; --help lists groups and options"
        )
    except BrokenPipeError:  # whoever read our output has left, as in `... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except OSError as error:
        if error.errno in NO_PATH:
            _fail(f"{str(error.filename)[:80]}...: not a path that can be ({error.strerror})")
        if error.errno not in NO_ROOM:
            raise
        _fail(f"{error.filename or 'a file'}: cannot be written ({error.strerror}); what was there is unchanged")


def _fail(message: str) -> NoReturn:
    print(f"nastk: {without_passwords(' '.join(message.split()))}", file=sys.stderr)
    sys.exit(2)


def _explain(error: BaseException, config_name: str) -> str:
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
        return _unknown_setting(name, config_name)
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


def _unknown_setting(name: str, config_name: str) -> str:
    folders = [path.name for path in shipped("conf").iterdir() if path.is_dir() and path.name != "hydra"]
    groups = [group for group in (*folders, "space") if group != name]  # one that this entry point lacks is none here
    chosen = [argument for argument in sys.argv[1:] if argument.lstrip("+").split("=")[0] in groups]
    names = groups + setting_names(
        config_name, [argument for argument in chosen if "," not in argument and "(" not in argument]
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


def setting_names(config_name: str, overrides: list[str]) -> list[str]:
    """Returns the dotted names of all settings that the entry point has with these choices of groups."""
    GlobalHydra.instance().clear()
    with hydra.initialize_config_dir(str(shipped("conf")), version_base="1.3"):
        config = OmegaConf.to_container(hydra.compose(config_name, overrides), resolve=False)
    return sorted(_dotted(config, ""))


def _dotted(node: Any, prefix: str) -> list[str]:
    if not isinstance(node, dict):
        return [prefix[:-1]]
    return [prefix[:-1]] * bool(prefix) + [
        name for key, part in node.items() for name in _dotted(part, f"{prefix}{key}.")
    ]
