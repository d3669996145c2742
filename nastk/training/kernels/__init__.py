"""Faster forms of a network's operations while it trains."""
