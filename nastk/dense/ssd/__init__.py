"""SSD, a file a part: Liu et al., "SSD: Single Shot MultiBox Detector", ECCV 2016, arXiv 1512.02325."""
