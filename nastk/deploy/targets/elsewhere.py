"""What targets on another device have in common: their files are written and scored here as another target's."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import fields
from functools import cached_property
from pathlib import Path

from nastk.deploy.emittable import Emittable
from nastk.deploy.manifest import MAX_BYTES
from nastk.deploy.onnx.validate import validate_model
from nastk.deploy.precision.scheme import Scheme
from nastk.deploy.targets.arm import ArmTarget
from nastk.deploy.targets.cpu import CpuTarget
from nastk.deploy.targets.cuda import CudaTarget
from nastk.deploy.targets.executorch import ExecutorchTarget
from nastk.deploy.targets.litert import LitertTarget
from nastk.deploy.targets.openvino import OpenvinoTarget
from nastk.deploy.targets.target import Runner, Target
from nastk.deploy.targets.tensorrt import TensorrtTarget
from nastk.errors import UserError
from nastk.outside import read_bytes

Local = ArmTarget | CpuTarget | CudaTarget | ExecutorchTarget | LitertTarget | OpenvinoTarget | TensorrtTarget


class ElsewhereTarget(Target):
    """A target whose files are those of another one, timed on another device.

    Attributes:
        of: the name of the other one.
    """

    of: str

    @property
    @abstractmethod
    def _kind(self) -> type[Local]:
        """The class of `of`."""

    @cached_property
    def _files_of(self) -> Local:
        # Its threads are those of another device, which may have more of them.
        shared = [field.name for field in fields(self._kind) if hasattr(self, field.name) and field.name != "threads"]
        return self._kind(**{name: getattr(self, name) for name in shared})

    @property
    def files(self) -> Mapping[str, str]:
        """Those of `of`, as the following are."""
        return self._files_of.files

    @property
    def scheme(self) -> Scheme:
        """How its int8 is written."""
        return self._files_of.scheme

    @property
    def quantizer(self) -> str | None:
        """The package that writes its int8 files."""
        return self._files_of.quantizer

    @property
    def runtime(self) -> str:
        """The package that runs its files here."""
        return self._files_of.runtime

    @property
    def timed_with(self) -> str:
        """What takes their latencies."""
        return self._files_of.timed_with

    @property
    def extras(self) -> tuple[str, ...]:
        """Names of further files."""
        return self._files_of.extras

    def emit(self, source: Emittable, folder: Path) -> None:
        """Writes the files of `of`."""
        self._files_of.emit(source, folder)

    def cannot_run(self) -> str | None:
        """As `of` has it: test images are classified on this machine."""
        return self._files_of.cannot_run()

    def runner(self, path: Path) -> Runner:
        """Opens a file on this machine."""
        return self._files_of.runner(path)

    def _content(self, path: Path) -> bytes:
        """Returns a file that is to be copied there; raises UserError where it is none of `of`'s, or damaged."""
        expected = Path(self.files["fp32"]).suffix
        if path.suffix != expected:
            raise UserError(f"{path}: expected a file of target.of={self.of}, *{expected}")
        return validate_model(path).data if expected == ".onnx" else read_bytes(path, MAX_BYTES)
