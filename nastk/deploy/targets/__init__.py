"""The machines that networks are made for, one file each: what a network costs there and how it is measured."""

from nastk.deploy.targets.adb import AdbTarget
from nastk.deploy.targets.arm import ArmTarget
from nastk.deploy.targets.cpu import CpuTarget
from nastk.deploy.targets.cuda import CudaTarget
from nastk.deploy.targets.executorch import ExecutorchTarget
from nastk.deploy.targets.litert import LitertTarget
from nastk.deploy.targets.microcontroller import MicrocontrollerTarget
from nastk.deploy.targets.openvino import OpenvinoTarget
from nastk.deploy.targets.remote import RemoteTarget
from nastk.deploy.targets.target import Target
from nastk.deploy.targets.tensorrt import TensorrtTarget

__all__ = [
    "AdbTarget",
    "ArmTarget",
    "CpuTarget",
    "CudaTarget",
    "ExecutorchTarget",
    "LitertTarget",
    "MicrocontrollerTarget",
    "OpenvinoTarget",
    "RemoteTarget",
    "Target",
    "TensorrtTarget",
]
