"""A command composes its configuration once; what asks more of Hydra gets all of it."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.utils import create_config_search_path
from hydra.core.config_store import ConfigStore

from nastk.cli.foreign_config import config_loader
from tests.commands import run

Capture = pytest.CaptureFixture[str]
MISTAKE = ("run=nowhere", "trials=-1")  # told by the job, so that the configuration was composed


@pytest.mark.parametrize(("words", "times"), [((), 1), (("hydra.mode=RUN",), 2)])
def test_settings_alone_are_composed_once(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], times: int
) -> None:
    composing = ConfigLoaderImpl.load_configuration
    composed: list[Any] = []

    def counted(self: ConfigLoaderImpl, *given: Any, **named: Any) -> Any:
        composed.append(composing(self, *given, **named))
        return composed[-1]

    monkeypatch.setattr(ConfigLoaderImpl, "load_configuration", counted)
    assert "trials" in run(capsys, "search", "+space=nasnet", *MISTAKE, *words).line
    assert len(composed) == times
    assert {config.hydra.runtime.choices.space for config in composed} == {"nasnet"}


def test_what_hydra_shows_is_left_to_it(capsys: Capture) -> None:
    told = run(capsys, "search", "+space=nasnet", "trials=7", "--cfg", "job")
    assert told.code == 0 and "\ntrials: 7\n" in told.out


def test_a_copy_of_the_repository_has_sources_of_its_own_and_no_copy_of_the_store() -> None:
    repository = config_loader(None).repository
    other = copy.deepcopy(repository)
    assert other.sources == repository.sources
    assert other.get_schema_source().store is ConfigStore.instance()  # type: ignore[attr-defined]
    sources = list(repository.sources)
    other.initialize_sources(create_config_search_path(None))  # as Hydra does for hydra.searchpath
    assert other.sources != sources == repository.sources
