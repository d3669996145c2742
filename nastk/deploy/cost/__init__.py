"""What a network costs before it is trained: measured, learned from pairs, or summed from a table of operations."""
