"""The ONNX writer, and what is asked of a written graph."""
