"""The steps of `nastk.Run` beside those from images to a file: the whole job at once, audit, describe, backbone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from omegaconf import DictConfig

from nastk.api.calling import Calling
from nastk.cli.interrupts import WHOLE

if TYPE_CHECKING:
    from nastk.runs.audit import Audit


class Further(Calling):
    """Further steps; `nastk.Run` has them all."""

    def job(self, *, images: Any = None, overrides: str | Sequence[str] = (), **settings: Any) -> Self:
        """Does the whole job, `nastk images=... max_latency_ms=...`; `said` ends with the file to ship.

        Args:
            images: as in `search`; not needed to go on with a run.
            overrides: as in `search`.
            settings: `max_latency_ms=3`, `max_model_kb=500`, `size=64`, `trials=20`, ...; all are in conf/wish.yaml.

        Returns:
            this run.

        Raises:
            UserError: a setting is wrong, the run has other limits, or as a step's.
        """
        from nastk.jobs.wish import run_wish

        def done(config: DictConfig) -> Path:
            folder, lines = run_wish(config)
            print("\n" + "\n".join(lines))
            return folder

        with self._images(images, settings, whole=True) as given:
            self._folder = self._step(WHOLE, done, given, overrides)
        return self

    def audit(self, *, overrides: str | Sequence[str] = (), **settings: Any) -> Audit:
        """Trains a spread of the searched networks longer: does the search rank networks, or noise?

        Args:
            overrides: as in `search`.
            settings: `cells=8`, `epochs=30`, `all_images=True`, ...; all are in conf/audit.yaml.

        Returns:
            what audit.json has: `sentence` says what came of it, `agreement` and `noise` how far rankings agree.

        Raises:
            UserError: fewer than three networks were trained, a setting is wrong, or the run has another audit.
        """
        from nastk.jobs.audit import run_audit

        return self._step("audit", lambda config: run_audit(config)[1], settings, overrides, begun=True)

    def describe(self, *, overrides: str | Sequence[str] = (), **settings: Any) -> dict[str, Any]:
        """Describes a network before it is trained: parameters, MACs, layers, the share of the latency of each.

        Args:
            overrides: as in `search`.
            settings: `network="mobilenet_v2"`, `genotype="net.json"`, `measure=False`, ...; all are in
                conf/describe.yaml. Without a network or a genotype it is the run's best one, in the sizes of `network`.

        Returns:
            what `nastk describe format=json` prints.

        Raises:
            UserError: no candidate was trained yet, or a setting is wrong.
        """
        from nastk.jobs.describe import description
        from nastk.runs.front import BEST

        if "genotype" not in settings and not isinstance(settings.get("network"), str):
            settings["genotype"] = self.folder / BEST if self.best else None
        return self._step("describe", description, settings, overrides, placed=False)

    def backbone(self, *, overrides: str | Sequence[str] = (), **settings: Any) -> Path:
        """Trains the best network as the backbone of a segmentation or detection; returns the folder of the files.

        Args:
            overrides: as in `search`.
            settings: `task="segmentation"`, `root="shapes.npz"`, `epochs=80`, ...; all are in conf/backbone.yaml. With
                `network="mobilenet_v2"` it is that one, and needs no run that was transferred.

        Raises:
            UserError: nothing was trained yet, a setting or the set is wrong, or the training diverged.
        """
        from nastk.jobs.backbone import run_backbone

        own = "network" not in settings
        return self._step("backbone", run_backbone, settings, overrides, begun=own, placed=own)
