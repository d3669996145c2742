"""Keeps what converters print, in Python and in C++, from a user who did not ask for it."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import tempfile
import warnings
from collections.abc import Iterator


@contextlib.contextmanager
def silenced() -> Iterator[None]:
    """Silences standard output, standard error, logging and warnings of this process, down to the file descriptors.

    What goes wrong inside must come out as an exception.
    """
    level = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    saved = [os.dup(descriptor) for descriptor in (1, 2)]
    try:
        with tempfile.TemporaryFile() as sink, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for descriptor in (1, 2):
                os.dup2(sink.fileno(), descriptor)
            with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                yield
    finally:
        for descriptor, original in zip((1, 2), saved, strict=True):
            os.dup2(original, descriptor)
            os.close(original)
        logging.disable(level)
