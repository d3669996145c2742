"""The transfer as a step: which candidates, how large, and their training."""
