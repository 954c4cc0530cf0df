"""What the request log costs: requests per second with it and without it, in one run; and how quickly it is read.

One row of 30 numbers as JSON, at 32 connections and at 1; the server on one core, the load on another, the two servers
in turn, round by round. `lane` sends a header that keeps the request off the express way, which logged models never
take. Then a log of a million requests is made, and some are looked up by their ids.

    python benchmarks/request_log.py [--rounds 3] [--seconds 3] [--logged 1000000]
"""

from __future__ import annotations

import argparse
import random
import statistics
import tempfile
import time
import urllib.request
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np
import servers
from comparison import Case, Results, circumstances, cores, tables
from load import check_answer, measure, wrk
from report import write
from requests_to_send import json_request, right_answer

from modelport.core.request_id import new_request_id, process_token
from modelport.engine.requests import LoggedRequests, Record, Wanted
from modelport.engine.requests.files import segment_path
from modelport.engine.requests.record import tensors
from modelport.engine.requests.segment import Segment

CONNECTIONS = (32, 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--logged", type=int, default=1_000_000)
    arguments = parser.parse_args()
    wrk()
    results, written = _compared(arguments.rounds, arguments.seconds)
    cases: list[Case] = [(name, count) for name in ("express", "lane") for count in CONNECTIONS]
    body = tables(("request", "connections"), cases, ["logged", "not logged"], results)
    notes = circumstances(arguments.rounds, arguments.seconds, results)
    write("request_log", body, [*notes, written, *_lookups(arguments.logged)])


def _compared(rounds: int, seconds: float) -> tuple[Results, str]:
    """Figures of both servers, and how many of its requests the logging one had written."""
    results: Results = defaultdict(list)
    server_core, load_core = cores()
    plain = json_request()
    lane = replace(plain, name="lane", headers={**plain.headers, "x-request-priority": "interactive"})
    written = ""
    with tempfile.TemporaryDirectory() as folder:
        for number in range(rounds):
            for name, variables in (("logged", ["MODELPORT_LOG_REQUESTS=*"]), ("not logged", [])):
                print(f"round {number + 1} of {rounds}: {name}", flush=True)
                server = servers.modelport()
                log = f"MODELPORT_REQUEST_LOG={folder}/log"
                server = replace(server, command=["env", log, *variables, *server.command])
                with server.on_core(server_core) as running:
                    check_answer(running.url, plain, right_answer())
                    for request, kind in ((plain, "express"), (lane, "lane")):
                        for count in CONNECTIONS:
                            figures = measure(running, request, Path(folder), count, seconds, load_core)
                            results[name, (kind, count)].append(figures)
                    written = _written(running.url) or written
    return results, written


def _written(url: str) -> str:
    """What the metrics say became of the requests."""
    with urllib.request.urlopen(f"{url}/metrics") as answer:
        lines = [
            line for line in answer.read().decode().splitlines() if line.startswith("modelport_request_log_total{")
        ]
    counts = {line.partition('result="')[2].partition('"')[0]: int(line.split()[-1]) for line in lines}
    said = ", ".join(f"{count} {result}" for result, count in counts.items())
    return f"Requests of the last round's logging server: {said}." if counts else ""


def _lookups(count: int) -> list[str]:
    """Make a log of so many requests, and time reading it."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        made, size = _filled(root, count)
        log = LoggedRequests(root)
        times = [_timed(lambda made=made_id: log.find(made)) for made_id in random.sample(made, 200)]
        listed = [_timed(lambda: log.newest(Wanted(), 50)) for _ in range(5)]
        errors = [_timed(lambda: log.newest(Wanted(errors=True), 50)) for _ in range(3)]
        return [
            f"{count} logged requests ({size / 1e6:.0f} MB): one by its id in {statistics.median(times):.2f} ms "
            f"(highest of 200: {max(times):.2f} ms); the newest 50 in {statistics.median(listed):.1f} ms; "
            f"the errors among all of them (none) in {statistics.median(errors):.0f} ms.",
        ]


def _filled(root: Path, count: int) -> tuple[list[str], int]:
    made, size, number = [], 0, 0
    inputs = tensors({"X": np.zeros((1, 30), np.float32)}, {})
    answers = [tensors({"label": np.zeros(1, np.int64), "probabilities": np.zeros((1, 2), np.float32)}, {})]
    (root / "model").mkdir()
    segment = Segment(segment_path(root / "model", "20260101", process_token(), number))
    for at in range(count):
        made.append(new_request_id(1))
        segment.add(Record(made[-1], "", time.time_ns(), "model", 1, "d" * 64, "plain", inputs, None, answers))
        if segment.size > 64_000_000 or at == count - 1:
            segment.commit()
            segment.close()
            size, number = size + segment.size, number + 1
            segment = Segment(segment_path(root / "model", "20260101", process_token(), number))
    segment.discard()
    return made, size


def _timed(act: object) -> float:
    """Milliseconds."""
    began = time.perf_counter()
    act()  # type: ignore[operator]
    return (time.perf_counter() - began) * 1e3


if __name__ == "__main__":
    main()
