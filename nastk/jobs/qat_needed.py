"""Whether a network has to be fine-tuned for int8: where the search counted on int8, and calibrating loses too much."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

from nastk.config.build import load_yaml
from nastk.data.images import DataSource
from nastk.deploy.export.export_settings import ExportSettings
from nastk.deploy.precision.scheme import Scheme
from nastk.deploy.tuning.int8_source import int8_loss
from nastk.jobs.held_out import held_out_images
from nastk.jobs.qat import QatSettings, calibrated
from nastk.networks.stored import load_trained
from nastk.objective import BEST

USUAL = 3  # epochs
COUNTED = ("int8", BEST)


def settled(
    qat: QatSettings, run: Path | None, model: Path, data: DataSource, how: ExportSettings, scheme: Scheme
) -> QatSettings:
    """Returns how to fine-tune, its epochs decided: `USUAL` where int8 is needed and loses too much, else none.

    Args:
        qat: settings; epochs that are given hold.
        run: that the network is of; int8 is needed where its search counted the latency of int8 files; None: is not.
        model: folder of the trained network.
        data: what it was trained on, of which images that were held out decide.
        how: of the calibration, and how much int8 may lose.
        scheme: of the int8.

    Raises:
        UserError: the network is damaged, or the run's config.yaml is.
    """
    if qat.epochs is not None:
        return qat
    counted = None if run is None else (load_yaml(run / "config.yaml").get("objective") or {}).get("precision")
    lost = _lost(model, data, how, scheme) if counted in COUNTED else 0.0
    if lost <= how.max_accuracy_drop:
        return dataclasses.replace(qat, epochs=0)
    told = f"int8 loses {100 * lost:.2f} points on images held out, fine-tuned for it for {USUAL} epochs"
    print(f"export {model.name[:8]}: {told}", file=sys.stderr)
    return dataclasses.replace(qat, epochs=USUAL)


def _lost(model: Path, data: DataSource, how: ExportSettings, scheme: Scheme) -> float:
    trained = load_trained(model)
    normal = trained.facts["normalisation"]
    held = held_out_images(model, data)[1].images
    return int8_loss(calibrated(trained, data, how), held, scheme, normal["mean"], normal["std"])
