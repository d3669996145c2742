"""From a network to measured files: ONNX, int8, latency, cost before training, the manifest."""
