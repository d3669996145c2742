"""Runs an entry point under Hydra, and turns what a user can get wrong into one line and exit code 2."""

from __future__ import annotations

import errno
import functools
import logging
import os
import re
import shlex
import sys
import warnings
from collections.abc import Callable
from typing import Any

import hydra
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import ConfigAttributeError, ConfigKeyError, MissingMandatoryValue, OmegaConfBaseException

from nastk.config import register_spaces, shipped, shipped_spaces
from nastk.console import console
from nastk.errors import UserError, nearest
from nastk.guard import check_command_line
from nastk.run_words import words_for_run
from nastk.runs import held
from nastk.secrets import refuse_passwords, without_passwords
from nastk.stopping import command_to_go_on, goes_on_with, stoppable
from nastk.streams import accept_every_letter
from nastk.sweeps import Sweep, begun_sweep, end_sweep, run_swept
from nastk.trust import SETTING, VARIABLE, keep_trust, trust

PATHS = (
    *("run", "runs", "model", "sweep", "genotype", "data.root", "data.path", "evaluator.table"),
    *("latency.path", "learn", "out", "storage.url", "storage.study"),
)
SUBMITIT = "hydra-submitit-launcher"
LAUNCHERS = {"joblib": "hydra-joblib-launcher", "submitit_local": SUBMITIT, "submitit_slurm": SUBMITIT}
NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM}
NO_PATH = {errno.ENAMETOOLONG, errno.ELOOP}


@console
def launch(config_name: str, job: Callable[[DictConfig], None]) -> None:
    """Composes the configuration from the command line and runs `job` on it.

    Exits with 2 and one line on a user's mistake, with 130 after Ctrl-C and 143 after SIGTERM, and says how to go on; a
    bug keeps its traceback.
    """
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra then raises instead of printing, and the lines below are ours
    quiet()
    accept_every_letter()
    register_spaces()
    given = sys.argv[1:]
    swept = any(word in ("-m", "--multirun") for word in given)
    words = words_for_run([_understood(word, swept) for word in given], config_name)
    sys.argv[1:] = [word for word in words if not word.startswith(f"{SETTING}=")]
    mistakes: list[UserError | OSError | OmegaConfBaseException] = []

    @functools.wraps(job)
    def kept_from_hydra(config: DictConfig) -> None:
        """Hydra would print a line of its own about the exception; of a sweep it would end the other jobs."""
        keep_trust(added)  # hydra.job.env_set was carried out by now
        if HydraConfig.get().mode == RunMode.MULTIRUN:
            quiet()  # it may be another process
            accept_every_letter()
            run_swept(job, config)
            return
        try:
            job(config)
        except (UserError, OSError, OmegaConfBaseException) as error:
            mistakes.append(error)

    entry = hydra.main(version_base="1.3", config_path=str(shipped("conf")), config_name=config_name)(kept_from_hydra)
    try:
        refuse_passwords(given)
        trust([name for word in words if word.startswith(f"{SETTING}=") for name in _names(word)])
        added = os.environ.get(VARIABLE)
        check_command_line(sys.argv[1:], config_name)
        with stoppable(lambda: command_to_go_on(config_name, given)):
            sweep, sys.argv[1:] = begun_sweep(sys.argv[1:], config_name)
            if sweep is None:
                entry()
            else:
                _run_sweep(sweep, entry, config_name)
            if mistakes:
                raise mistakes[0]
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
    arguments = " ".join(shlex.quote(f"{name}={value}") for name, value in given.items())
    print(f"Next: python -m nastk.{entry} {arguments}")


def quiet() -> None:
    """Silences the libraries' informational output: what a user reads is nastk's."""
    warnings.filterwarnings("ignore", module=r"(hydra|optuna|lightning|pytorch_lightning|torch|onnx)\b.*")
    warnings.filterwarnings("ignore", category=DeprecationWarning)
    for name in ("pytorch_lightning", "lightning.pytorch", "lightning", "optuna", "onnxruntime", "torch"):
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


def _fail(message: str) -> None:
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
