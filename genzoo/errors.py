"""Errors that say what was expected, what was received and what to do. Standard library only."""

import difflib
import signal
from collections.abc import Iterable


def unknown_name(kind: str, name: str, known: Iterable[str], hint: str = "") -> ValueError:
    """The error for a name that does not exist, with the nearest ones that do."""
    known = list(known)
    near = difflib.get_close_matches(str(name), known, n=3, cutoff=0.5)
    meant = f" Did you mean {' or '.join(map(repr, near))}?" if near else ""
    expected = f" Known: {', '.join(sorted(known))}." if 0 < len(known) <= 40 else ""
    return ValueError(f"Unknown {kind}. Received: {name!r}.{meant}{expected}{' ' + hint if hint else ''}")


def not_built() -> ValueError:
    """The error for a model that has seen no images, and so has no networks yet."""
    return ValueError("The model does not know its image shape yet. Call fit(x) or build(input_shape) first.")


class FileError(ValueError):
    """What a file holds is wrong. Names in the message are those in the file, not of arguments."""


class TrainingDiverged(ValueError):
    """A loss became NaN or infinite: nothing that was given is wrong in itself."""


class Terminated(SystemExit):
    """SIGTERM that reached the command where nothing waits for it, as KeyboardInterrupt is Ctrl-C that did."""

    def __init__(self) -> None:
        super().__init__(128 + signal.SIGTERM)


class PluginError(ImportError):
    """A plugin that cannot be used. The exception behind it, if there was one, is its ``__cause__``.

    Attributes:
        distribution, version: of the package that brings it.
        reason: one line.
    """

    def __init__(self, message: str, distribution: str, version: str, reason: str):
        super().__init__(message)
        self.distribution, self.version, self.reason = distribution, version, reason
