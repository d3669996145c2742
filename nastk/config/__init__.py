"""Configurations become objects, and what they may name."""
