"""The accuracy of a trained candidate as it would ship: quantized after training, run as its target runs it."""

from __future__ import annotations

import copy
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
from torch import Tensor, nn

from nastk.deploy.emittable import emittable
from nastk.deploy.targets import Target
from nastk.errors import UserError, unknown
from nastk.evaluators import EvaluationFailed
from nastk.networks import NetworkConfig

INT8 = "int8"


def check_int8(target: Target) -> None:
    """Raises UserError where the target has no int8, or its files cannot be run on this machine."""
    if INT8 not in target.files:
        raise unknown(f"precision of target {target.name}: the objective wants int8_accuracy,", INT8, target.files)
    reason = target.cannot_run()
    if reason is not None:
        raise UserError(f"objective wants int8_accuracy, which target={target.name} cannot tell here: {reason}")


def int8_accuracy(
    network: nn.Module,
    config: NetworkConfig,
    key: str,
    *,
    calibration: Tensor,
    images: Tensor,
    labels: Tensor,
    target: Target,
) -> float:
    """Returns the share of `images` that the candidate's int8 file classifies rightly.

    Args:
        network: trained, on any device; left as it is.
        config: how it was built.
        key: of its genotype.
        calibration: (n, C, H, W) normalised training images, from which the int8 ranges are taken.
        images: (m, C, H, W) normalised images that it was not trained on.
        labels: (m,) int64.
        target: whose files are written and run.

    Raises:
        EvaluationFailed: the network cannot be quantized, because its values are not finite, say.
    """
    deployed = copy.deepcopy(network).cpu().eval()
    try:
        source = emittable(deployed, replace(config, auxiliary=False, drop_path=0.0), key, calibration.numpy())
        with tempfile.TemporaryDirectory() as folder:
            target.emit(source, Path(folder))
            logits = target.runner(Path(folder) / target.files[INT8])(np.ascontiguousarray(images.numpy()))
    except UserError as error:
        raise EvaluationFailed(f"int8: {error}") from None
    return float((logits.argmax(1) == labels.numpy()).mean())
