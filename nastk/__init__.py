"""nastk: neural architecture search and mobile optimization, from images and a latency budget to a measured file."""

__version__ = "0.1.0"
