"""Running and timing files: ONNX Runtime, TensorRT, another machine."""
