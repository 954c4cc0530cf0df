"""What TensorFlow and LiteRT write to standard error from native code when they start, kept from the terminal."""

from __future__ import annotations

import os
import re
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager

#: They say it whatever their level of logging.
_CHATTER = re.compile(
    rb"[IW]\d{4} |WARNING: All log messages before absl|To enable the following instructions"
    rb"|INFO: (Created TensorFlow Lite|Initialized TensorFlow Lite)"
)
_lock = threading.RLock()


@contextmanager
def quiet_stderr() -> Iterator[None]:
    """Keep start-up chatter of native code from the terminal; whatever else is written meanwhile comes afterwards.

    One thread at a time: each gives back the terminal that it found.
    """
    with _lock, tempfile.TemporaryFile() as kept:
        sys.stderr.flush()
        terminal = os.dup(2)
        os.dup2(kept.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(terminal, 2)
            kept.seek(0)
            for line in kept:
                if not _CHATTER.match(line):
                    os.write(terminal, line)
            os.close(terminal)
