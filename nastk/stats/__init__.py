"""Statistics of rankings and of paired differences."""
