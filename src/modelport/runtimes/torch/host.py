"""Where PyTorch's models run: the device, and the threads that the whole process shares."""

from __future__ import annotations

import logging
import threading
from collections.abc import Collection
from typing import Any

import torch

from modelport.core.errors import InvalidInputError, MissingExtraError
from modelport.core.host import cpu_quota
from modelport.core.nearest import did_you_mean
from modelport.core.runtime import LoadSpec

_log = logging.getLogger("modelport.runtimes")
_lock = threading.Lock()
_threads = 0


def device_for(name: str) -> Any:
    """The device `cpu`, `cuda`, `cuda:1` or `mps`. Raises InvalidInputError or MissingExtraError."""
    kind, colon, number = name.partition(":")
    if kind not in ("cpu", "cuda", "mps") or (colon and (kind != "cuda" or not number.isdecimal())):
        raise InvalidInputError(
            f"unknown device {name!r}; PyTorch models run on 'cpu', 'cuda', 'cuda:<number>' or 'mps'"
        )
    if kind == "cuda":
        _check_cuda(name, int(number or 0))
    elif kind == "mps" and not torch.backends.mps.is_available():
        raise MissingExtraError("device 'mps' needs a Mac with Apple's chip and a PyTorch that was built for it")
    return torch.device(name)


def _check_cuda(name: str, number: int) -> None:
    if not torch.cuda.is_available():
        why = (
            "the driver of the GPU is missing or too old"
            if torch.version.cuda
            else "the PyTorch that is installed was built without CUDA: install one that has it (see pytorch.org)"
        )
        raise MissingExtraError(f"device {name!r} can't be used: {why}")
    count = torch.cuda.device_count()
    if number >= count:
        raise InvalidInputError(f"device {name!r} does not exist; this host has {count}, numbered from 0")


def use_threads(wanted: int) -> int:
    """Give PyTorch its threads (0: as many as the CPU quota allows); how many it has.

    They are the process's, not one model's: the first model that is loaded says how many.
    """
    global _threads  # noqa: PLW0603 - PyTorch's own state is as global
    wanted = wanted or cpu_quota()
    with _lock:
        if not _threads:
            torch.set_num_threads(wanted)
            _threads = wanted
        elif _threads != wanted:
            _log.warning("PyTorch keeps its %d threads: they are shared by all models of a process", _threads)
        return _threads


def check_options(spec: LoadSpec, known: Collection[str], what: str) -> None:
    """Raise InvalidInputError for an option that is none of those known; `what` is what takes them."""
    for name in spec.options:
        if name not in known:
            listed = ", ".join(repr(item) for item in known) or "no options"
            raise InvalidInputError(f"unknown option {name!r}{did_you_mean(name, known)}; {what} take {listed}")
