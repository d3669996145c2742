"""How ONNX Runtime is set up wherever it runs our files: what is measured is what is deployed. Loads no torch."""

from __future__ import annotations

import os
import re

import onnxruntime

# Warnings of ONNX Runtime are about its own choices (a constant not folded, say), errors come as exceptions.
FATAL = 4


def session_options(threads: int) -> onnxruntime.SessionOptions:
    """Returns the options of a session whose runs are computed by so many threads; 0 leaves it to ONNX Runtime."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = FATAL
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    # Denormal numbers are slow on x86; an untrained network is full of them where a trained one is not.
    options.add_session_config_entry("session.set_denormal_as_zero", "1")
    # Waiting threads spin, which is quick, but after a run they would spin on in the time of the session beside it.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    # A model in memory could take weights, whose hash nobody has checked, from files of the working directory.
    options.add_session_config_entry("session.model_external_initializers_file_folder_path", os.devnull)
    return options


def refusal(error: Exception) -> str:
    """Returns in one line why ONNX Runtime did not open a model; its exceptions share no public base class."""
    text = " ".join(str(error).split())
    opsets = re.search(r"Opset (\d+) is under development.* till opset (\d+)", text)
    formats = re.search(r"Unsupported model IR version: (\d+), max supported IR version: (\d+)", text)
    elsewhere = re.search(r"External data.*? for initializer: (.+?)\. Error", text)
    if opsets:
        why = f"opset {opsets[1]}, it supports up to {opsets[2]}"
    elif formats:
        why = f"IR version {formats[1]}, it supports up to {formats[2]}"
    elif elsewhere:
        why = f"tensor {elsewhere[1][:100]!r} keeps its data in another file, expected one-file ONNX"
    else:
        why = re.sub(r"^\[ONNXRuntimeError\] : \d+ : ", "", text)[:200] or type(error).__name__
    return f"ONNX Runtime {onnxruntime.__version__} cannot run the model ({why})"
