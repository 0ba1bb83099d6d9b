"""What libraries say of themselves stays off the screen of the command; what genzoo says is one line."""

import contextlib
import logging
import os
import sys
import warnings
from collections.abc import Iterator

from genzoo.backend import Importing
from genzoo.cli.printing import warn
from genzoo.discovery.installed import strict

# What their compiled parts read before they log, unless whoever runs the command has set it.
LEVELS = {
    "TF_CPP_MIN_LOG_LEVEL": "3",  # TensorFlow's and XLA's, on JAX too
    "TF_CPP_MAX_VLOG_LEVEL": "0",
    "ABSL_MIN_LOG_LEVEL": "3",
    "GRPC_VERBOSITY": "NONE",
    "OPENCV_LOG_LEVEL": "OFF",
    "OPENCV_FFMPEG_LOGLEVEL": "-8",
}
LIBRARIES = (
    "PIL", "absl", "array_record", "cv2", "etils", "google", "h5py", "jax", "jaxlib", "keras", "ml_dtypes", "numpy",
    "scipy", "sklearn", "tensorboard", "tensorflow", "tensorflow_datasets", "torch",
)  # fmt: skip


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Silences libraries' logs and warnings, and shows every other warning as one line.

    Errors come as exceptions. With ``GENZOO_STRICT_PLUGINS=1`` nothing is silenced.
    """
    if strict():
        yield
        return
    for name, value in LEVELS.items():
        os.environ.setdefault(name, value)
    with warnings.catch_warnings(), _hushed_imports():
        warnings.filterwarnings("ignore", module=rf"({'|'.join(LIBRARIES)})(\.|$)")
        warnings.showwarning = _show
        logging.disable(logging.WARNING)
        try:
            yield
        finally:
            logging.disable(logging.NOTSET)


@contextlib.contextmanager
def _hushed_imports():
    """While it is imported TensorFlow's compiled parts log what no level silences; Python's errors are exceptions."""
    finder = Importing("tensorflow", _run_hushed)
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


def _run_hushed(run, module):
    with _hushed():
        run(module)


@contextlib.contextmanager
def _hushed():
    """Sends to nowhere what is written to the process' error stream, by whatever means."""
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def _show(message, category, filename, lineno, file=None, line=None):
    warn(message)
