"""An export: a network's files for its targets, checked, scored, measured and described."""
