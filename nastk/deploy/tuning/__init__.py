"""Fine-tuning of a trained network for int8, and which layers lose most by it."""
