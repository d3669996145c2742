"""Other precisions than float32: calibration, int8, half floats, and what a runtime makes of them."""
