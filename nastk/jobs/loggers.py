"""Numbers of a search and a transfer for TensorBoard or Weights & Biases, through Lightning's loggers; off by default.

The driver logs, a line a candidate or an epoch, whatever trains them and wherever: the training itself knows no logger.
"""

from __future__ import annotations

import contextlib
import importlib.util
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from nastk.errors import UserError

FOLDER = "logs"

Log = Callable[[Mapping[str, float], int], None]


class Logger(Protocol):
    """Opens a log in a run folder; what `conf/logger/*.yaml` names."""

    def opened(self, folder: Path, name: str, settings: Mapping[str, Any]) -> AbstractContextManager[Log]:
        """Opens a log; the same folder and name go on with it.

        Args:
            folder: the run's.
            name: of the log in it.
            settings: plain values that belong to it.

        Returns:
            a context that gives what takes metrics by name and a step.

        Raises:
            UserError: the logger is not installed, or cannot begin.
        """
        ...


@dataclass(frozen=True)
class NoLogger:
    """Logs nothing and loads nothing."""

    def opened(self, folder: Path, name: str, settings: Mapping[str, Any]) -> AbstractContextManager[Log]:
        """Returns what takes metrics and leaves them."""
        return contextlib.nullcontext(lambda metrics, step: None)


@dataclass(frozen=True)
class TensorBoard:
    """Event files in the run folder's logs/, for `tensorboard --logdir`."""

    def __post_init__(self) -> None:
        _check("tensorboard")

    @contextlib.contextmanager
    def opened(self, folder: Path, name: str, settings: Mapping[str, Any]) -> Iterator[Log]:
        """Writes to <folder>/logs/<name>."""
        from pytorch_lightning.loggers import TensorBoardLogger

        logger = TensorBoardLogger(save_dir=folder, name=FOLDER, version=name, default_hp_metric=False)
        try:
            yield _log_of(logger)
        finally:
            logger.finalize("success")


@dataclass(frozen=True)
class WeightsAndBiases:
    """A run of Weights & Biases for each log.

    Attributes:
        project: that it belongs to there.
        offline: whether it stays in the run folder, for `wandb sync`; otherwise metrics and settings are sent to the
            server that `wandb login` chose.
    """

    project: str = "nastk"
    offline: bool = False

    def __post_init__(self) -> None:
        _check("wandb")

    @contextlib.contextmanager
    def opened(self, folder: Path, name: str, settings: Mapping[str, Any]) -> Iterator[Log]:
        """Begins a run, or goes on with that of the same folder and name."""
        import wandb
        from pytorch_lightning.loggers import WandbLogger

        place = folder / FOLDER
        place.mkdir(exist_ok=True)
        try:
            logger = WandbLogger(
                name=f"{folder.resolve().name}-{name}",
                save_dir=place,
                project=self.project,
                offline=self.offline,
                id=uuid.uuid5(uuid.NAMESPACE_URL, f"{folder.resolve()}/{name}").hex,
                config=dict(settings),
                settings=wandb.Settings(silent=True, console="off", disable_git=True, save_code=False),
            )
            logger._wandb_init.pop("anonymous", None)  # wandb warns of it, though Lightning gives it always
            run = logger.experiment
        except (wandb.Error, OSError, TimeoutError, ValueError) as error:  # ValueError: of a WANDB_* variable
            said = " ".join(str(error).split())[:200].rstrip(".")
            raise UserError(f"logger=wandb: {said}; wandb login, or logger.offline=true") from None
        try:
            yield _log_of(logger)
        finally:
            run.finish()


def _log_of(logger: Any) -> Log:
    def log(metrics: Mapping[str, float], step: int) -> None:
        logger.log_metrics(dict(metrics), step)

    return log


def _check(package: str) -> None:
    if importlib.util.find_spec(package) is None:
        raise UserError(f"logger={package}: needs {package}, not installed; pip install 'nastk[{package}]'")
