"""nastk in Python: `nastk.Run` does what the commands do, `nastk.load` opens an exported network."""
