"""The export of a run's networks as backbones: their feature maps instead of logits."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from nastk.checks import check_flag
from nastk.dense.backbone_export import ONNX, ONNX_INT8, export_backbone
from nastk.deploy.export.export_settings import ExportSettings
from nastk.errors import UserError
from nastk.networks.features import NoMapsError

BACKBONE = "backbone"  # beside a run's export/


def check_features(config: DictConfig) -> bool:
    """Returns whether `network.features` asks for a backbone; without such a setting nothing does.

    Raises:
        UserError: it is neither true nor false, or a network without weights is named.
    """
    if "network" not in config:  # a pipeline has no such setting
        return False
    if "genotype" in config.network:
        raise UserError("network: has no weights to export, expected run=<name of a run> or model=<a trained network>")
    features: bool = config.network.features
    check_flag("network.features", features)
    return features


def export_backbones(models: Sequence[Path], data: Any, how: ExportSettings) -> list[Path]:
    """Writes all networks of a run that are backbones; raises UserError where none is."""
    found: list[Path] = []
    left_out: list[NoMapsError] = []
    for model in models:
        try:
            found.append(_export_backbone(model, data, how))
        except NoMapsError as error:
            left_out.append(error)
            print(f"backbone {model.name[:8]}: left out: {error}", file=sys.stderr)
    if not found:
        raise left_out[0]
    return found


def _export_backbone(model: Path, data: Any, how: ExportSettings) -> Path:
    """Writes a network without its head, and says how its files compare; returns their folder."""
    out = model.parent.parent / BACKBONE / model.name
    facts = export_backbone(model, out, data, how.calibration)
    exact, int8 = facts["files"][ONNX]["against_torch"], facts["files"][ONNX_INT8]["against_fp32"]
    for one in facts["maps"]:
        name = one["name"]
        print(
            f"backbone {model.name[:8]}: {name}, {one['channels']} channels, {one['height']}x{one['width']}: {ONNX} "
            f"differs from torch by at most {exact[name]['max_difference']:.2g}, {ONNX_INT8} has a signal of "
            f"{int8[name]['snr_db']:.1f} dB above its error",
            file=sys.stderr,
        )
    return out
