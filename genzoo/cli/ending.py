"""How the command ends: with 0, or a line and 2 (what was given), 1 (what failed under way), 130 or 143 (a signal)."""

import contextlib
import io
import os
import re
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import typer

from genzoo import registry
from genzoo.cli.printing import complain
from genzoo.cli.words import spoken, words
from genzoo.discovery.installed import strict
from genzoo.errors import FileError, PluginError, Terminated, TrainingDiverged

# What is wrong with what a user gave; everything else went wrong under way.
PATHS = (FileNotFoundError, FileExistsError, NotADirectoryError, IsADirectoryError, PermissionError, BlockingIOError)
GIVEN = (ValueError, ImportError, NotImplementedError, OverflowError, *PATHS)
UNDER_WAY = (TrainingDiverged, PluginError)
LONGEST = 500  # characters of an error that is not genzoo's

# What NumPy, TensorFlow, XLA and PyTorch say where memory does not suffice.
MEMORY = r"(?i)out of memory|resource.?exhausted|(un|not )able to allocate|can't allocate|cannot allocate|bad.?alloc"


@contextlib.contextmanager
def terminable() -> Iterator[None]:
    """SIGTERM ends what runs inside as Ctrl-C does, files put in order, but with 143. What is ignored stays ignored."""
    usual = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}
    before = {}
    if threading.current_thread() is threading.main_thread():
        before = {number: signal.signal(number, _end) for number in usual if signal.getsignal(number) is usual[number]}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _end(number, frame):
    """Ends the command by an exception; while a module is imported at once, for compiled ones may not survive that."""
    while frame is not None:
        if frame.f_code.co_filename == "<frozen importlib._bootstrap>" and "name" in frame.f_locals:
            where = f"while {frame.f_locals['name']!a} was imported"
            os.write(2, f"Stopped: {signal.Signals(number).name}, {where}.\n".encode())
            os._exit(128 + number)
        if frame.f_code.co_name == "_xla_gc_callback":  # where exceptions are lost
            threading.Timer(0.05, os.kill, (os.getpid(), number)).start()
            return
        frame = frame.f_back
    raise KeyboardInterrupt if number == signal.SIGINT else Terminated


def outcome(app: typer.Typer) -> int:
    """Runs the command that ``sys.argv`` asks for, and says in a line what went wrong; returns the exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # of characters that the encoding has not
    try:
        code = app(prog_name="genzoo", standalone_mode=False)
    except Terminated:
        _stopped(signal.SIGTERM)
        return 128 + signal.SIGTERM
    except KeyboardInterrupt:
        code = 130
    except Exception as raised:
        error: Any = raised
        if strict() and not _of_usage(error):
            raise
        if _of_usage(error) and not error.format_message():  # the help that it has printed is what it has to say
            return error.exit_code
        said = _sentence(error)
        complain(said if isinstance(error, FileError) else spoken(said, _words(app)))
        return _code(error)
    if code == 130:
        _stopped(signal.SIGINT)
    return code if isinstance(code, int) else 0


def _stopped(number):
    complain(f"{number.name}.", "Stopped", "bold")


def _code(error):
    if _of_usage(error):
        return error.exit_code
    return 2 if isinstance(error, (*GIVEN, MemoryError)) and not isinstance(error, UNDER_WAY) else 1


def _of_usage(error):
    """Whether it is typer's own, about the command line."""
    return hasattr(error, "format_message") and hasattr(error, "exit_code")


def _sentence(error) -> str:
    if _of_usage(error):
        path = getattr(getattr(error, "ctx", None), "command_path", "genzoo")
        told = " ".join(error.format_message().split()).rstrip(".")
        return f"{told}. `{path} --help` shows the usage."
    if isinstance(error, OSError) and error.filename and error.strerror:
        return f"{error.strerror}: {error.filename2 or error.filename}"
    told = " ".join(str(error).split("\n"))
    if isinstance(error, MemoryError) or (not isinstance(error, GIVEN) and re.search(MEMORY, told)):
        return f"Memory does not suffice. Ask for smaller images or networks, or for fewer at once. ({_short(told)})"
    if told and (isinstance(error, (*GIVEN, OSError)) or type(error) is RuntimeError):
        return told
    told = ": ".join(filter(None, (type(error).__name__, _short(told))))
    return f"{told}. GENZOO_STRICT_PLUGINS=1 shows where."


def _short(text):
    text = " ".join(text.split()).rstrip(".")
    return text if len(text) < LONGEST else f"{text[:LONGEST]} ..."


def _words(app: typer.Typer) -> dict[str, str]:
    """The words of the command that was asked for."""
    command, *arguments = [*sys.argv[1:], ""]
    known = getattr(typer.main.get_command(app), "commands", {}).get(command)
    if known is None:
        return {}
    options = {p.name: max(p.opts, key=len) for p in known.params if max(p.opts, key=len).startswith("--")}
    parameters = known.make_context(command, arguments[:-1], resilient_parsing=True).params
    given = parameters.get("set_") or ()
    return words(command, options, _model_options(parameters.get("name")) if "set_" in parameters else (), given)


def _model_options(name: Any) -> Sequence[str]:
    """The arguments of a model that was asked for, if it was found; only then can an error be about them."""
    if not isinstance(name, str) or "keras" not in sys.modules:
        return ()
    with contextlib.suppress(Exception):
        model: Any = registry.spec(name).resolve().load()
        return [*model.options()]
    return ()
