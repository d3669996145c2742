"""The training of a head over a backbone as a step: from a command line to a trained, exported, checked network."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from types import TracebackType
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from nastk.checks import check_path
from nastk.config.build import build, jsonable, plain
from nastk.dense.backbone import Backbone
from nastk.dense.job import DenseJob
from nastk.dense.model_export import ONNX, export_dense
from nastk.dense.sets import read_set
from nastk.dense.settings import DenseSettings
from nastk.dense.tasks import make_task
from nastk.dense.train import METRICS, train_dense
from nastk.errors import UserError
from nastk.events import EpochEnded, TrainingBegan, tell
from nastk.files import cannot_write
from nastk.genotype import Genotype
from nastk.networks import NetworkConfig
from nastk.networks.stored import WEIGHTS
from nastk.progress import Count, doing
from nastk.runs.folder import existing_run, held, named_run
from nastk.runs.shipping import ship_places


def run_backbone(config: DictConfig) -> Path:
    """Trains what the configuration says, exports it, and returns the folder; a finished training is not repeated.

    Raises:
        UserError: a setting, the set, the run or the folder is not what it should be; nothing was trained or
            overwritten. Or the training diverged or ran out of memory.
    """
    task = make_task(config.task)
    settings: DenseSettings = build(config.training, "training", DenseSettings)
    backbone, name = _backbone(config)
    if config.data.root is None:
        raise UserError("data: not given, expected data=<an .npz file of images with targets>")
    path = Path(check_path("data", config.data.root)).expanduser()
    job = DenseJob(backbone, task, read_set(path, task.name), settings)
    job.check()
    out = Path(config.runs) / f"{task.name}-{path.stem}-{name}" if config.out is None else Path(str(config.out))
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(out, error) from None
    with held(out):
        trained_before = (out / METRICS).exists()
        with nullcontext() if trained_before else _Progress(job, backbone.genotype.key) as progress:
            metrics = train_dense(job, out, None if progress is None else progress.epoch)
        with doing("exporting and checking"):
            parity = export_dense(job, out)
    _tell(job, metrics, parity, " (trained before)" if trained_before else "")
    return out


def trained_folder(run: str, runs: str) -> Path:
    """Returns the folder of the trained network that `run=` means: itself, or of a run the best.

    Raises:
        UserError: there is none; of several that were never ranked, which they are.
    """
    place = named_run(run, runs)
    if (place / WEIGHTS).is_file():
        return place
    folder = existing_run(run, runs)
    models = sorted(path.parent for path in folder.glob(f"transfer/*/{WEIGHTS}"))
    if not models:
        raise UserError(f"run={run!r}: has no trained network; python -m nastk.transfer run={folder}")
    places = ship_places(folder) if len(models) > 1 else {}
    ranked = sorted((model for model in models if model.name in places), key=lambda model: places[model.name])
    if len(models) > 1 and not ranked:
        raise UserError(f"run={run!r}: has {len(models)} trained networks, choose one: run={models[0]}")
    return (ranked or models)[0]


def _backbone(config: DictConfig) -> tuple[Backbone, str]:
    """Returns the backbone that is asked for, and a name for it."""
    named = config.get("network") is not None
    if (config.run is None) != named:
        given = "neither is" if config.run is None else "both are"
        raise UserError(f"run, network: {given} given, expected run=<name of a run> or network=<a known network>")
    if not named:
        backbone = Backbone.of_trained(trained_folder(str(config.run), str(config.runs)))
        return backbone, backbone.genotype.key[:8]
    fields = jsonable(plain(config.network))
    name = str(HydraConfig.get().runtime.choices["network"])
    if "genotype" not in fields:
        raise UserError(f"network={name}: has no genotype, expected a known network, such as network=mobilenet_v2")
    genotype = Genotype.from_dict(fields.pop("genotype"))
    return Backbone(genotype, NetworkConfig.from_dict(fields).of(genotype)), name


def _tell(job: DenseJob, metrics: Mapping[str, Any], parity: Mapping[str, Any], before: str) -> None:
    score = job.task.score
    others = "".join(f", {name} {metrics[name]:.4f}" for name in job.task.also)
    maps = ", ".join(f"stride {one['stride']}: {one['channels']}" for one in metrics["maps"])
    lines = (
        f"backbone {metrics['key'][:8]}, {metrics['weights']} weights; channels of its maps: {maps}",
        f"test {score} {metrics[score]:.4f}{others} on {metrics['test_images']} images with the weights of epoch "
        f"{metrics['best_epoch']} of {metrics['epochs']} (validation {metrics[f'validation_{score}']:.4f}), "
        f"{metrics['params']:,} parameters{before}",
        f"{ONNX}: differs from torch by at most {max(one['max_difference'] for one in parity.values()):.2g}",
    )
    for line in lines:
        print(f"{job.task.name}: {line}", file=sys.stderr)


class _Progress:
    """Tells epochs, the training loss and the score on the validation images, the best so far beside it."""

    def __init__(self, job: DenseJob, key: str) -> None:
        self._task, self._key, self._score = job.task.name, key, job.task.score
        self._count = Count(self._task, job.settings.epochs, "epoch")

    def __enter__(self) -> _Progress:
        tell(TrainingBegan(self._task, self._key, self._count.total))
        self._count.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._count.__exit__(kind, error, trace)

    def epoch(self, epoch: int, epochs: int, loss: float, score: float, best: float) -> None:
        """Tells an epoch; a `nastk.dense.train.Progress`."""
        tell(EpochEnded(self._key, epoch, epochs, loss, self._task))
        self._count.skip(max(epoch - 1 - self._count.done, 0))  # those of another sitting
        self._count.note(f"validation {self._score} {score:.4f}, best {best:.4f}")
        self._count.to(epoch)
