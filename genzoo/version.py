"""The version, which nobody need import the package for."""

__version__ = "0.1.0"
