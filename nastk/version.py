"""nastk's version, for what needs it without the names that `import nastk` offers; the only place that has it.

A release is the commit that the tag v<version> stands on, see scripts/release.py.
"""

__version__ = "0.1.0"
