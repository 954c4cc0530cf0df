"""`modelport serve` in a process that tells what it holds: on SIGUSR1 it writes that as JSON to $SOAK_STATE."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import signal
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from modelport.cli.main import main

#: Objects that belong to one connection, one request or one call.
WATCHED = (
    "Lane",
    "Http2Protocol",
    "Connection",
    "Exchange",
    "UnaryCall",
    "StreamingCall",
    "Stream",
)


def tell(_signal: int, _frame: Any) -> None:
    gc.collect()
    counts = Counter(type(item).__name__ for item in gc.get_objects())
    state = {"tasks": len(asyncio.all_tasks()), **{name: counts[name] for name in WATCHED}}
    file = Path(os.environ["SOAK_STATE"])
    file.with_suffix(".new").write_text(json.dumps(state))
    file.with_suffix(".new").replace(file)


if __name__ == "__main__":
    signal.signal(signal.SIGUSR1, tell)
    sys.argv = ["modelport", *sys.argv[1:]]
    main()
