"""TensorFlow in this process: imported without its chatter, and set up once, before its first operation.

TensorFlow has one pool of threads and one way to log for a whole process, whatever the number of models in it.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import warnings
from typing import Any

from modelport.core.errors import InvalidInputError, MissingExtraError
from modelport.core.host import cpu_quota
from modelport.runtimes.tensorflow.stderr import quiet_stderr

_lock = threading.Lock()


def _imported() -> Any:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # errors stay
    if "tensorflow" in sys.modules:
        return sys.modules["tensorflow"]
    with quiet_stderr(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of TensorFlow's own modules, and nothing that its user can change
        import tensorflow  # noqa: PLC0415 - within what keeps it quiet
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    return tensorflow


tf: Any = _imported()


def set_threads(threads: int) -> int:
    """Set the process's threads for one operation (0: as many as the CPU quota allows) and give how many they are.

    Only what comes before TensorFlow's first operation counts: later models run with the threads of the first.
    """
    with _lock:
        try:
            tf.config.threading.set_intra_op_parallelism_threads(threads or cpu_quota())
            tf.config.threading.set_inter_op_parallelism_threads(threads or cpu_quota())
        except RuntimeError:  # the first operation was before
            pass
        return int(tf.config.threading.get_intra_op_parallelism_threads())


def device_name(device: str) -> str:
    """TensorFlow's name of `cpu`, `cuda` or `cuda:1`. Raises InvalidInputError or MissingExtraError."""
    kind, _, number = device.partition(":")
    if kind == "cpu" and not number:
        return "/CPU:0"
    if kind != "cuda" or not (number or "0").isdecimal():
        raise InvalidInputError(f"unknown device {device!r}; TensorFlow models run on 'cpu', 'cuda' or 'cuda:<number>'")
    found = len(tf.config.list_physical_devices("GPU"))
    if int(number or 0) >= found:
        raise MissingExtraError(
            f"device {device!r} is not there: this TensorFlow {tf.__version__} sees {found} GPUs "
            "(are tensorflow[and-cuda] and the driver installed?)"
        )
    return f"/GPU:{number or 0}"
