"""Weight sharing: one set of weights for all networks of a space of stages, trained once, of which each takes its part.

A candidate is the real network that its genotype stands for. It takes the leading channels of the shared weights and
the centre of their kernels, as elastic networks do (Cai et al., "Once-for-All", ICLR 2020); what it is trained by and
judged by is one function, `SharedWeights.lend`. Each step trains a network drawn from the space (Guo et al., "Single
Path One-Shot Neural Architecture Search with Uniform Sampling", ECCV 2020). The sandwich rule (Yu et al., "BigNAS",
ECCV 2020), progressive shrinking, AlphaNet's losses, ENAS and DARTS are left out.
"""
