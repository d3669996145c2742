"""What is shown of a command while it runs: a view in the terminal, lines elsewhere, or JSON lines."""
