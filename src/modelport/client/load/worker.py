"""One process that makes load: it connects, waits for the signal, sends, and tells what it measured."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from time import monotonic, process_time

import uvloop

from modelport.client.failures import reason
from modelport.client.load.answers import Answers
from modelport.client.load.flow import Closed, Flow, Open, dues
from modelport.client.load.http1_link import Http1Link
from modelport.client.load.http2_frames import call_blocks
from modelport.client.load.http2_link import Http2Link
from modelport.client.load.outcome import Outcome
from modelport.client.load.plan import Plan
from modelport.client.load.recorder import Recorder
from modelport.client.opening import tls_of
from modelport.core.host import cpu_quota

METHOD = "/inference.GRPCInferenceService/ModelInfer"
#: Connections that failed are tried again after so many seconds.
_AGAIN = 0.05
#: How often timeouts are looked for.
_LOOK = 0.1

AnyLink = Http1Link | Http2Link


def work(descriptor: int) -> None:
    """The body of the process. It is sent a plan, says that it is ready, is told when to start, and sends an `Outcome`.

    `descriptor` is of its end of a pipe, inherited.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends it
    pipe = Connection(descriptor)
    plan: Plan = pipe.recv()
    if plan.cores:
        os.sched_setaffinity(0, plan.cores)
    pipe.send(None)
    start = float(pipe.recv())
    pipe.send(uvloop.run(measure(plan, start)))


async def measure(plan: Plan, start: float) -> Outcome:
    """Run the plan from that time of the monotonic clock on."""
    begin, end = start + plan.warmup, start + plan.warmup + plan.seconds
    recorder = Recorder(begin, end, by_start=plan.rate is not None)
    await asyncio.sleep(start - monotonic())
    flow: Flow = (
        Closed(recorder, end, plan.payload.body)
        if plan.rate is None
        else Open(
            recorder,
            end,
            plan.payload.body,
            dues(start, plan.rate, plan.seed, poisson=plan.poisson),
            plan.timeout,
        )
    )
    crew = _Crew(plan, flow)
    usage = asyncio.create_task(_usage(begin, end, recorder.outcome))
    try:
        await crew.run(end)
    finally:
        await usage
    recorder.flush()
    outcome = recorder.outcome
    outcome.rate, outcome.cores = plan.rate, cpu_quota()
    return outcome


class _Crew:
    """The connections of one process, each opened again where it is lost."""

    def __init__(self, plan: Plan, flow: Flow) -> None:
        self._plan, self._flow = plan, flow
        self._links: set[AnyLink] = set()
        self._make = _maker(plan, flow)

    async def run(self, end: float) -> None:
        """Until the end, and then until the last answer came or ran out of time."""
        tasks = [asyncio.create_task(self._keep(end)) for _ in range(self._plan.connections)]
        while not self._flow.idle.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(self._flow.idle.wait(), _LOOK)
            now = monotonic()
            if now >= end:
                self._flow.stop()
            for link in list(self._links):
                link.expire(now - self._plan.timeout)
            self._flow.expire(now)
        for link in self._links:
            link.abort()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _keep(self, end: float) -> None:
        """Have one connection open until the end."""
        loop, address = asyncio.get_running_loop(), self._plan.address
        tls = tls_of(address, None)
        if tls is not None and self._plan.payload.grpc:
            tls.set_alpn_protocols(["h2"])
        while monotonic() < end:
            try:
                opening = loop.create_connection(self._make, address.host, address.port, ssl=tls)
                _, link = await asyncio.wait_for(opening, self._plan.timeout)
            except OSError as error:
                self._flow.unreachable("no connection", reason(error))
                await asyncio.sleep(_AGAIN)
                continue
            self._links.add(link)
            await link.closed
            self._links.discard(link)


def _maker(plan: Plan, flow: Flow) -> Callable[[], AnyLink]:
    answers = Answers(plan.payload.dialect, check=plan.check)
    if not plan.payload.grpc:
        return partial(Http1Link, plan.payload.message, flow, answers)
    scheme = "https" if plan.address.tls else "http"
    blocks = partial(call_blocks, plan.address.netloc, METHOD, scheme, plan.payload.metadata)
    return partial(Http2Link, plan.payload.message, flow, answers, plan.streams, blocks)


async def _usage(begin: float, end: float, outcome: Outcome) -> None:
    """What this process used of a core in the window, and how long it had to wait for one."""
    await asyncio.sleep(begin - monotonic())
    used, waited, at = process_time(), _waited(), monotonic()
    await asyncio.sleep(end - monotonic())
    passed = max(monotonic() - at, 1e-9)
    outcome.processor.append((process_time() - used) / passed)
    outcome.starved.append((_waited() - waited) / passed)


def _waited() -> float:
    """Seconds that this process was ready to run but had no core (proc(5), schedstat); 0 where nobody counts them."""
    try:
        return int(Path("/proc/self/schedstat").read_text().split()[1]) / 1e9
    except (OSError, IndexError, ValueError):
        return 0.0
