"""nastk's version, for what needs it without the names that `import nastk` offers."""

__version__ = "0.1.0"
