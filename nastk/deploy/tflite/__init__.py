"""Writes LiteRT files (.tflite) from the ONNX graphs that nastk makes, in float32 and in int8 by its own ranges."""
