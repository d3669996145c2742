"""The data of final trainings, and one that nothing interrupted."""

from pathlib import Path

import pytest

from nastk.data.images import DataSource
from tests.training.final import final
from tests.training.small import few_digits


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> DataSource:
    return few_digits(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def unbroken(data: DataSource, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("unbroken") / "net"
    final(folder, data)
    return folder
