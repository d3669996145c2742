"""Searches and trainings of one point of the front benchmark, each in a folder of its own that is gone on with."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import hydra
from front_points import Point, data_words
from omegaconf import DictConfig

from nastk.config.build import load_yaml, shipped
from nastk.data.sized import data_at
from nastk.errors import UserError
from nastk.files import write_json
from nastk.genotype import Genotype
from nastk.genotype.small import shortened
from nastk.jobs.transfer.baselines import Baseline, baseline_sizing, made_for, named_network
from nastk.jobs.transfer.candidates import transfer_candidates
from nastk.jobs.transfer.fitting import fitted_recipe, with_head
from nastk.jobs.transfer.full_size import full_size
from nastk.jobs.transfer.halving import halved
from nastk.jobs.transfer.plan import TransferPlan, transfer_plan
from nastk.jobs.transfer.sized import NoSizeFits
from nastk.networks import NetworkConfig
from nastk.training.rungs import Rung
from nastk.training.transfer import METRICS, TransferSettings, train_final, train_rung

HELD_OUT = "validation_accuracy"


class Trained(NamedTuple):
    """A network of the size that fits: its name in the table, and the folder of its trainings, one a seed."""

    name: str
    genotype: Genotype
    network: NetworkConfig
    folder: Path


def _short(name: str, network: NetworkConfig) -> Baseline:
    """Returns a network in its shortened form; in none where its own strides leave enough pixels."""
    form = shortened(named_network(name), network.height, network.width)
    return Baseline(f"{name}_short", () if form is None else (form,))


def _place(network: Trained, seed: int) -> Path:
    return network.folder / "transfer" / f"seed{seed}"


class Front:
    """One point and one search space.

    Args:
        point: images and limit.
        space: of search_spaces.
        data: folder of the images.
        work: folder of everything that is made.
        trials: of the search.
        epochs: of a full training; None for nastk's own choice.
        words: further settings of the search.
    """

    def __init__(
        self, point: Point, space: str, data: Path, work: Path, trials: int, epochs: int | None, words: Sequence[str]
    ) -> None:
        self.point = point
        self.place = work / point.name
        self.run = self.place / f"search-{space}"
        self._epochs = epochs
        images = data_words(point, data, work)
        limits = [f"objective.max_latency_ms={point.limit_ms}", f"objective.precision={point.precision}"]
        self._words = [f"+space={space}", *images, *limits, f"trials={trials}", *words]

    def search(self) -> None:
        """Runs the search as a user would; a run that is there goes on, and is not begun again where it is done.

        Raises:
            UserError: it failed.
        """
        self.place.mkdir(parents=True, exist_ok=True)
        done = self.place / f"{self.run.name}.json"
        if done.exists():
            return
        before = time.perf_counter()
        command = [sys.executable, "-m", "nastk.search", *self._words, f"run={self.run}"]
        with (self.place / f"{self.run.name}.log").open("a") as log:
            code = subprocess.run(command, stdout=log, stderr=log, check=False).returncode
        if code:
            raise UserError(f"{' '.join(command)}: exit code {code}, see {log.name}")
        write_json(done, {"seconds": time.perf_counter() - before, "command": command[1:]})

    def found(self, top: int) -> list[Trained]:
        """Returns the networks that the search chose, each of the size that fits."""
        networks = []
        plan = self._plan
        for key, genotype in transfer_candidates(self.run, top, plan.accuracy_alone):
            place = self.place / f"{self.run.name}-{key[:12]}"
            try:
                form, network = full_size(genotype, plan.sizing, place)
                network = with_head(form, network, place)
            except NoSizeFits as nothing:
                print(f"left out: {nothing}", file=sys.stderr)
                continue
            networks.append(self._entered(Trained(f"{self.run.name} {key[:8]}", form, network, place)))
        return networks

    @property
    def network(self) -> NetworkConfig:
        """What networks of this point are built as: classes, channels and size of its images."""
        return self._plan.sizing.network

    def rivals(self, names: Sequence[str], short: Sequence[str] = ()) -> list[Trained]:
        """Returns the networks of conf/network that fit, each in the first of its forms that does.

        Args:
            names: of the networks.
            short: of those that enter in their shortened form too.
        """
        return self.sized([*made_for(names, self.network), *(_short(name, self.network) for name in short)])

    def sized(self, networks: Sequence[Baseline]) -> list[Trained]:
        """Returns those of the networks that fit, each in the first of its forms that does, as large as fits."""
        found = [self._rival(one) for one in networks]
        return [one for one in found if one is not None]

    def _rival(self, one: Baseline) -> Trained | None:
        plan = self._plan
        for genotype in one.forms:
            place = self.place / f"{one.name}-{genotype.key[:12]}"
            try:
                form, network = full_size(genotype, baseline_sizing(plan.sizing, plan.sizing.limits), place)
            except NoSizeFits as nothing:
                print(f"{one.name}: {nothing}", file=sys.stderr)
                continue
            return self._entered(Trained(one.name, form, network, place))
        return None

    def _entered(self, network: Trained) -> Trained:
        write_json(network.folder / "name.json", {"name": network.name, "point": self.point.name})
        return network

    def halved(self, networks: Sequence[Trained], top: int, name: str) -> list[Trained]:
        """Returns so many of the networks, found by successive halving of trainings with the first seed.

        Args:
            networks: that begin.
            top: how many are left.
            name: of the record of how long it took.
        """
        if not networks:
            return []
        epochs = self._recipe(networks[0], 0).epochs
        before = time.perf_counter()
        left = halved(networks, top, epochs, self.rung, lambda one: one.name)
        done = self.place / f"{name}-halving.json"
        if not done.exists():
            write_json(done, {"seconds": time.perf_counter() - before})
        return left

    def rung(self, network: Trained, epochs: int) -> Rung:
        """Returns the scores on held-out images after so many epochs with the first seed."""
        data, recipe = data_at(self._plan.data, network.network.size), self._recipe(network, 0)
        return train_rung(network.genotype, network.network, data, recipe, _place(network, 0), epochs)

    def _recipe(self, network: Trained, seed: int) -> TransferSettings:
        held = dataclasses.replace(self._plan.recipe, holdout=True, seed=seed)
        return fitted_recipe(self._plan, held, network.genotype, network.network, _place(network, seed))

    def train(self, network: Trained, seed: int) -> dict[str, Any]:
        """Returns the metrics of a network's training with a seed, trained now or before."""
        plan, place, recipe = self._plan, _place(network, seed), self._recipe(network, seed)
        known = (place / METRICS).exists()
        data = data_at(plan.data, network.network.size)
        found = train_final(network.genotype, network.network, data, recipe, place, None, plan.run)
        if not known:
            told = f"held out {found[HELD_OUT]:.4f}, test {found['accuracy']:.4f}, {found['seconds']:.0f} s"
            print(f"{self.point.name} {network.name} seed {seed}: {told}", file=sys.stderr, flush=True)
        return found

    def held_out(self, network: Trained) -> float:
        """Returns the accuracy on held-out images of the training with the first seed."""
        return float(json.loads((_place(network, 0) / METRICS).read_text())[HELD_OUT])

    def export(self, network: Trained, seed: int) -> None:
        """Writes the files of a trained network and measures them; what is there is kept.

        Raises:
            UserError: it failed.
        """
        model = _place(network, seed)
        if (network.folder / "export" / model.name / "manifest.json").exists():
            return
        words = [word for word in self._words if word.startswith("data")]
        command = [sys.executable, "-m", "nastk.export", f"model={model}", *words]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise UserError(f"{' '.join(command)}: {done.stderr.strip().splitlines()[-1]}")

    @cached_property
    def _plan(self) -> TransferPlan:
        """How networks are sized and trained; the search has left its settings."""
        path = self.run / "config.yaml"
        if not path.exists():
            raise UserError(f"{path}: not there, expected the search of this point; give --parts search first")
        training = [] if self._epochs is None else [f"training.epochs={self._epochs}"]
        with hydra.initialize_config_dir(str(shipped("conf")), version_base="1.3"):
            config: DictConfig = hydra.compose("transfer", overrides=["baselines=[]", "training.threads=1", *training])
        return transfer_plan(config, load_yaml(path))
