"""The ``genzoo`` command. Thin: it parses, calls the library and prints."""

from genzoo.cli.app import main

__all__ = ["main"]
