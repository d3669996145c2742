"""Blocks, one file a family: what a stage of a network repeats. The torch-free facts are in `nastk.genotype.families`.

All are made of what `nastk.ops` is made of, so that they trace with `torch.fx`, export to ONNX and quantize.
"""
