"""Tests of dense prediction."""
