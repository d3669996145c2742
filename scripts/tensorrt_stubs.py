"""Reads names and signatures out of TensorRT's Python bindings, without TensorRT's libraries and without a GPU.

    pip download --no-deps tensorrt-cu13-bindings==11.4.0.106
    python scripts/tensorrt_stubs.py tensorrt_cu13_bindings-*.whl tests/deploy/tensorrt_stubs/v11/tensorrt.pyi

PyPI carries the bindings, a compiled module that nothing can be asked of before its libraries are loaded. It takes nine
functions of them, none of which runs while it is imported: libraries in which those do nothing let it be imported and
asked for its signatures. The result is a stub for the type checker, of the classes that nastk uses: so our use of the
API is checked against what the bindings take. Needs Linux and a C compiler.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

FUNCTIONS = (
    "createInferBuilder_INTERNAL",
    "createInferRefitter_INTERNAL",
    "createInferRuntime_INTERNAL",
    "createNvOnnxParserRefitter_INTERNAL",
    "createNvOnnxParser_INTERNAL",
    "getBuilderPluginRegistry",
    "getNvOnnxParserVersion",
    "getPluginRegistry",
    "initLibNvInferPlugins",
)
LIBRARIES = ("nvinfer", "nvinfer_plugin", "nvonnxparser")
ENUMERATIONS = ("BuilderFlag", "NetworkDefinitionCreationFlag", "HardwareCompatibilityLevel")
# What nastk uses of each class; mypy then refuses anything else.
CLASSES = {
    "ILogger": "__init__ log",
    "Builder": "__init__ create_network create_builder_config create_optimization_profile build_serialized_network",
    "IBuilderConfig": "set_flag clear_flag add_optimization_profile create_timing_cache set_timing_cache "
    "get_timing_cache hardware_compatibility_level",
    "IOptimizationProfile": "set_shape",
    "INetworkDefinition": "",
    "OnnxParser": "__init__ parse num_errors get_error",
    "ParserError": "desc node_name node_operator",
    "ITimingCache": "serialize",
    "IHostMemory": "",
    "Runtime": "__init__ deserialize_cuda_engine engine_host_code_allowed",
    "ICudaEngine": "create_execution_context num_io_tensors get_tensor_name get_tensor_shape get_tensor_profile_shape",
    "IExecutionContext": "set_input_shape get_tensor_shape set_tensor_address execute_async_v3",
    "Dims": "__init__ __len__ __getitem__",
}


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("wheel", type=Path)
    arguments.add_argument("out", type=Path)
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        with zipfile.ZipFile(given.wheel) as wheel:
            wheel.extractall(folder)
        major = given.wheel.name.split("-")[1].split(".")[0]
        source = Path(folder) / "empty.c"
        source.write_text("".join(f"void {name}(void) {{}}\n" for name in FUNCTIONS))
        for library in LIBRARIES:
            name = f"lib{library}.so.{major}"
            command = ["cc", "-shared", "-fPIC", f"-Wl,-soname,{name}", "-o", f"{folder}/{name}", str(source)]
            subprocess.run(command, check=True)
        paths = [folder, str(Path(__file__).parent)]
        code = f"import sys; sys.path[:0] = {paths}; import tensorrt_stubs; tensorrt_stubs.tell()"
        environment = {"LD_LIBRARY_PATH": folder}
        told = subprocess.run([sys.executable, "-c", code], env=environment, check=True, capture_output=True, text=True)
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_text(told.stdout)
    subprocess.run([sys.executable, "-m", "ruff", "format", "-q", str(given.out)], check=True)


def tell() -> None:
    """Prints the stub; runs in a process of its own, in which the libraries are empty."""
    import tensorrt_bindings as bindings

    lines = [
        f"# Names and signatures of TensorRT's Python bindings {bindings.__version__}, as far as nastk uses them.",
        "# Written by scripts/tensorrt_stubs.py.",
        "from collections.abc import Sequence",
        "from enum import IntEnum",
        "from typing import Any, overload",
        "",
        "from typing_extensions import Buffer",
        "",
        "__version__: str",
    ]
    for name in ENUMERATIONS:
        members = getattr(bindings, name).__members__
        lines += ["", f"class {name}(IntEnum):", *(f"    {key} = {int(value)}" for key, value in members.items())]
    for name in CLASSES:
        lines += ["", *_class(getattr(bindings, name), name)]
    print("\n".join(lines))


def _class(kind: type, name: str) -> list[str]:
    base = kind.__mro__[1].__name__
    lines = [f"class {name}({base}):" if base in CLASSES else f"class {name}:"]
    if name == "ILogger":
        members = kind.Severity.__members__
        lines += ["    class Severity(IntEnum):", *(f"        {key} = {int(value)}" for key, value in members.items())]
        lines += [f"    {key} = Severity.{key}" for key in members]
    # The buffer protocol leaves no name that could be read.
    if name == "IHostMemory":
        lines.append("    def __buffer__(self, flags: int, /) -> memoryview: ...")
    for member in CLASSES[name].split():
        value = vars(kind)[member]
        lines += _property(member, value) if isinstance(value, property) else _method(value.__doc__ or "", member)
    return lines if len(lines) > 1 else [f"{lines[0]} ..."]


def _property(name: str, value: property) -> list[str]:
    found = re.search(r"-> (.*)", (value.fget.__doc__ if value.fget else None) or "")
    kind = _type(found[1]) if found else "Any"
    lines = ["    @property", f"    def {name}(self) -> {kind}: ..."]
    if value.fset is not None:
        lines += [f"    @{name}.setter", f"    def {name}(self, value: {kind}) -> None: ..."]
    return lines


def _method(text: str, name: str) -> list[str]:
    signatures = re.findall(rf"^(?:\d+\. )?{name}\((.*)\) -> (.*)$", text, re.MULTILINE)
    lines = []
    for arguments, result in signatures:
        parts = [_argument(part) for part in re.split(r", (?=\w+: )", arguments)[1:]]
        lines += ["    @overload"] * (len(signatures) > 1)
        lines.append(f"    def {name}({', '.join(['self', *parts])}) -> {_type(result)}: ...")
    return lines


def _argument(text: str) -> str:
    name, _, rest = text.partition(": ")
    kind, default, _ = rest.partition(" = ")
    optional = " | None" if rest.endswith("= None") else ""
    return f"{name}: {_type(kind)}{optional}" + (" = ..." if default else "")


def _type(text: str) -> str:
    """Returns a type as the type checker knows it; Any for those of classes that are not listed."""
    text = text.replace("tensorrt_bindings.tensorrt.", "").replace("nvinfer1::", "").replace("nvonnxparser::", "")
    text = text.replace("collections.abc.", "").replace("typing_extensions.", "").replace("typing.SupportsInt", "int")
    text = text.replace("typing.SupportsFloat", "float").replace("IParserError", "ParserError")
    known = {*CLASSES, *ENUMERATIONS, "Severity", "Sequence", "Buffer", "Any", "None"}
    known |= {"int", "float", "str", "bool", "bytes", "list", "tuple", "object"}
    text = re.sub(
        r"[\w:]+(\.\w+)*", lambda match: match[0] if match[0].split(".")[-1] in known else "Any", text.strip()
    )
    return {"tuple": "tuple[Any, ...]", "list": "list[Any]"}.get(text, text)


if __name__ == "__main__":
    main()
