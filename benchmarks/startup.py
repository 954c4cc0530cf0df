"""Seconds from starting `modelport serve model.onnx` to its first right answer. startup.py [--runs 7]"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import subprocess
import sys
import tempfile
import time

from load import BenchmarkError, check_answer
from report import table, write
from requests_to_send import json_request, right_answer
from servers import end, modelport


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=7)
    runs = parser.parse_args().runs
    _seconds()  # the first run reads files from disk and compiles Python's bytecode
    seconds = sorted(_seconds() for _ in range(runs))
    rows = [[f"{statistics.median(seconds):.2f}", f"{seconds[0]:.2f}", f"{seconds[-1]:.2f}", str(runs)]]
    write("startup", table(["median, s", "fastest", "slowest", "runs"], rows), ["One small ONNX model, one worker."])


def _seconds() -> float:
    server, request, right = modelport(), json_request(), right_answer()
    with tempfile.TemporaryFile("w+") as output:
        began = time.perf_counter()
        process = subprocess.Popen(server.command, stdout=output, stderr=subprocess.STDOUT, start_new_session=True)
        try:
            while process.poll() is None and time.perf_counter() - began < 30:
                with contextlib.suppress(OSError, BenchmarkError):
                    check_answer(f"http://127.0.0.1:{server.port}", request, right)
                    return time.perf_counter() - began
                time.sleep(0.005)
            output.seek(0)
            raise BenchmarkError(f"modelport serve gives no right answer; it said:\n{output.read()}")
        finally:
            end(process)


if __name__ == "__main__":
    try:
        main()
    except BenchmarkError as error:
        sys.exit(str(error))
