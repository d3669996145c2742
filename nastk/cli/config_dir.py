"""What Hydra reads settings with: cheap to copy, and the files of a --config-dir only once each is found plain YAML."""

from __future__ import annotations

import copy
import functools
from pathlib import Path
from typing import Any

import yaml
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.config_repository import ConfigRepository
from omegaconf.errors import OmegaConfBaseException

from nastk.errors import UserError
from nastk.outside import read_text
from nastk.outside.yaml_text import YAML, RefusedYaml, check_yaml

COMMAND_LINE = "command-line"  # what Hydra calls where the folder comes from


class SharingRepository(ConfigRepository):
    """Hydra's repository, which Hydra copies deeply whenever it composes: with every space and setting in its store.

    A copy needs only a list of sources of its own; the sources are read, and hand out copies of what they store.
    """

    def __deepcopy__(self, memo: dict[int, Any]) -> SharingRepository:
        return copy.copy(self)


def checked_files(loader: ConfigLoaderImpl) -> ConfigLoaderImpl:
    """Returns the loader; composing with it raises UserError for a file of the user's folder that `check_yaml` refuses.

    Files that no setting chooses are not looked at: the folder may be one with much else in it.
    """
    for source in loader.repository.sources:
        if source.provider == COMMAND_LINE:
            vars(source)["load_config"] = functools.partial(_load_config, source, loader.repository)
    return loader


def _load_config(source: Any, repository: Any, config_path: str) -> Any:
    path = Path(source.path) / source._normalize_file_name(config_path)
    try:
        check_yaml(read_text(path, YAML))
        found = type(source).load_config(source, config_path)
        repository._create_defaults_list(
            config_path, repository._extract_defaults_list(config_path, copy.deepcopy(found.config))
        )
        return found
    except RefusedYaml as error:
        line = f":{error.line}" if error.line else ""
        raise UserError(f"{path}{line}: not a YAML configuration ({error.reason})") from None
    except (yaml.YAMLError, ValueError, TypeError, RecursionError, OmegaConfBaseException) as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise UserError(f"{path}: not a YAML configuration ({reason})") from None
