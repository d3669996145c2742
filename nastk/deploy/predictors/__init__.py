"""Latency of networks on devices that are not at hand: learned from pairs, or summed from a table of operations."""
