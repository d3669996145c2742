"""An exported network as whoever deploys it runs it: by manifest.json alone, with numpy and the runtime it is for."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from nastk.checks import is_number
from nastk.deploy.export.openvino_file import OpenvinoFile, Settings, openvino_settings
from nastk.deploy.manifest import MANIFEST, MAX_BYTES, load_manifest
from nastk.deploy.onnx.wire import refuse_programs
from nastk.deploy.runtimes.session_options import refusal, session_options
from nastk.errors import UserError, unknown
from nastk.outside import read_bytes
from nastk.outside.memory import no_more_than_is_free

ONNX = ".onnx"
MAX_SIZE = 4096
MAX_SECONDS = 600  # of a run of a batch of images; a network for phones takes milliseconds an image
Run = Callable[[NDArray[np.float32]], NDArray[np.float32]]
Shape = tuple[int, int, int]


class OnnxFile(NamedTuple):
    """What a manifest says of a file.

    Attributes:
        precision: its name.
        file: its name.
        openvino: the settings that OpenVINO ran it with; None where ONNX Runtime did.
    """

    precision: str
    file: str
    openvino: Settings | None


@dataclass(frozen=True, eq=False)
class Classifier:
    """A network that names what an image shows.

    Attributes:
        file: name of the ONNX file.
        precision: what the manifest calls it: "fp32", "int8", ...
        classes: names, in the order of the network's outputs.
        channels: 1 for grey, 3 for RGB.
        size: pixels a side.
        mean, std: of each channel, for pixels in 0..1.
        runtime: what runs the file, "ONNX Runtime 1.31.1", say.
        run: returns the logits (n, classes) of normalised images; raises UserError where it fails on the way.
    """

    file: str
    precision: str
    classes: tuple[str, ...]
    channels: int
    size: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    runtime: str
    run: Run

    def probabilities(self, pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Returns the probability of each class (n, classes), by softmax, of uint8 images (n, channels, size, size).

        Raises:
            UserError: the runtime fails on the way, or what the file computes is not finite.
        """
        shape = (1, -1, 1, 1)
        mean, std = (np.asarray(values, np.float32).reshape(shape) for values in (self.mean, self.std))
        images = (pixels.astype(np.float32) / np.float32(255) - mean) / std
        logits = self.run(images).astype(np.float64)
        if not np.isfinite(logits).all():
            raise UserError(f"{self.file}: what it computes is not finite; its weights are damaged, export it anew")
        powers = np.exp(logits - logits.max(1, keepdims=True))
        return powers / powers.sum(1, keepdims=True)  # type: ignore[no-any-return]


def run_bounded(
    session: onnxruntime.InferenceSession, file: str, images: NDArray[np.float32], classes: int
) -> NDArray[np.float32]:
    """Returns what a session computes of normalised images (n, channels, size, size): (n, classes).

    Its file may be hostile, whatever a manifest says: it gets the memory that is free and a bounded time.

    Args:
        session: of one input and one output.
        file: its name, for messages.
        images: that it takes.
        classes: how many it has to tell apart.

    Raises:
        UserError: ONNX Runtime fails on the way, or it computes something of another shape.
    """
    how = onnxruntime.RunOptions()
    watch = threading.Timer(MAX_SECONDS, lambda: setattr(how, "terminate", True))
    watch.daemon = True
    watch.start()
    try:
        with no_more_than_is_free():
            found: NDArray[np.float32] = session.run(None, {session.get_inputs()[0].name: images}, how)[0]
    except Exception as error:
        why = f"it took over {MAX_SECONDS} seconds" if how.terminate else refusal(error)
        raise UserError(f"{file}: {why}") from None
    finally:
        watch.cancel()
    return _of_shape(found, file, (len(images), classes))


def open_classifier(folder: Path, precision: str | None = None, onnxruntime_only: bool = False) -> Classifier:
    """Opens a file of an export, after every file there was found to be the one that was exported.

    It is run by the runtime that it was scored by: OpenVINO, with the settings that it then had, or ONNX Runtime.

    Args:
        folder: of the export.
        precision: which file; None for the recommended one.
        onnxruntime_only: run files for OpenVINO by ONNX Runtime too.

    Raises:
        UserError: no export, a file that is missing or was changed, a precision that it has not, no ONNX file, a
            manifest that does not fit the network, or OpenVINO is needed and not installed.
    """
    manifest = load_manifest(folder)
    found = {one.precision: one for one in onnx_files(manifest)}
    if not found:
        raise UserError(f"{folder}: has no ONNX file; its {manifest['recommended']} needs a runtime of its own")
    if precision is None:
        recommended = manifest["recommended"]
        precision = next((name for name, one in found.items() if one.file == recommended), next(iter(found)))
    if precision not in found:
        raise unknown(f"precision of {folder}", precision, found)
    chosen = found[precision]
    shape = _checked_manifest(folder / MANIFEST, manifest)
    if chosen.openvino is None or onnxruntime_only:
        runtime, run = _by_onnxruntime(folder, chosen.file, manifest, shape)
    else:
        runtime, run = _by_openvino(folder, chosen.file, chosen.openvino, manifest, shape)
    how, classes = manifest["preprocessing"], tuple(manifest["classes"])
    mean, std = tuple(how["mean"]), tuple(how["std"])
    return Classifier(chosen.file, precision, classes, shape[0], shape[1], mean, std, runtime, run)


def _by_onnxruntime(folder: Path, file: str, manifest: dict[str, Any], shape: Shape) -> tuple[str, Run]:
    session, classes = checked_session(folder / file), len(manifest["classes"])
    shapes = [[list(one.shape) for one in side] for side in (session.get_inputs(), session.get_outputs())]
    expected = [list(shape), [classes]]
    if [[one[1:] for one in side] for side in shapes] != [[part] for part in expected]:
        raise UserError(
            f"{folder / MANIFEST}: {file} computes {shapes[0]} to {shapes[1]}, the manifest says {expected}"
        )
    runtime = f"ONNX Runtime {onnxruntime.__version__}"
    return runtime, lambda images: run_bounded(session, file, images, classes)


def _by_openvino(folder: Path, file: str, how: Settings, manifest: dict[str, Any], shape: Shape) -> tuple[str, Run]:
    opened, classes = OpenvinoFile(folder / file, how, shape), len(manifest["classes"])
    if [one[1:] for one in opened.outputs] != [(classes,)]:
        raise UserError(f"{folder / MANIFEST}: {file} gives {opened.outputs}, the manifest says {classes} classes")
    return opened.runtime, lambda images: _of_shape(opened.run(images, MAX_SECONDS), file, (len(images), classes))


def _of_shape(found: NDArray[np.float32], file: str, shape: tuple[int, int]) -> NDArray[np.float32]:
    if found.shape != shape:
        raise UserError(f"{file}: gives {found.shape}, expected {shape}")
    return found


def checked_session(path: Path) -> onnxruntime.InferenceSession:
    """Opens an ONNX file that may be damaged or hostile; raises UserError where it is, or cannot be run here."""
    model = read_bytes(path, MAX_BYTES)
    try:
        refuse_programs(model)
        with no_more_than_is_free():  # what is constant in it is computed now
            return onnxruntime.InferenceSession(model, session_options(threads=0), providers=["CPUExecutionProvider"])
    except UserError as error:
        raise UserError(f"{path}: {error}") from None
    except Exception as error:
        raise UserError(f"{path}: {refusal(error)}") from None


def onnx_files(manifest: dict[str, Any]) -> Iterator[OnnxFile]:
    """Yields files by precision: the first target's last, for its files are what `precisions` and most users mean."""
    targets = manifest.get("targets")
    others = list(targets.items()) if isinstance(targets, dict) else []
    for name, target in [*others[:0:-1], (manifest.get("target"), manifest)]:
        precisions = target.get("precisions") if isinstance(target, dict) else None
        for precision, entry in precisions.items() if isinstance(precisions, dict) else ():
            file = entry.get("file") if isinstance(entry, dict) else None
            if isinstance(file, str) and file.endswith(ONNX) and file in manifest["files"]:
                yield OnnxFile(precision, file, openvino_settings(manifest, name, file))


def _checked_manifest(path: Path, manifest: dict[str, Any]) -> Shape:
    """Returns channels, height and width; raises UserError where a manifest is not as an export writes it."""
    how, classes = manifest["preprocessing"], manifest["classes"]
    channels, height, width = (how.get(name) for name in ("channels", "height", "width"))
    if channels not in (1, 3) or height != width or not isinstance(height, int) or not 1 <= height <= MAX_SIZE:
        found = f"{channels!r}, {height!r}, {width!r}"
        raise UserError(
            f"{path}: channels, height, width are {found[:90]}, expected 1 or 3 and one side up to {MAX_SIZE}"
        )
    if not all(isinstance(name, str) for name in classes):
        raise UserError(f"{path}: classes are not all text, malformed")
    for name in ("mean", "std"):
        values = how.get(name)
        if not isinstance(values, list) or len(values) != channels or not all(map(is_number, values)):
            raise UserError(f"{path}: {name} is {str(values)[:60]}, expected {channels} number(s)")
        if name == "std" and min(values) <= 0:
            raise UserError(f"{path}: std is {values}, expected numbers above 0")
    return channels, height, width
