"""`modelport bench TARGET`: load on a server or on a model file, with figures that can be believed."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import orjson

from modelport.cli.bench_options import Options, with_options
from modelport.cli.bench_plot import Chart, chart_svg
from modelport.cli.bench_server import free_cores, own_server
from modelport.cli.bench_text import Row, figures_text, probe_text
from modelport.cli.predict import Target, find_target, only_model
from modelport.cli.prediction_input import UnreadableError, read_input
from modelport.client import Client
from modelport.client.address import parse_address
from modelport.client.load import Plan, highest_rate, made_inputs, payload, run
from modelport.client.plain import plain_body
from modelport.core.datatypes import Array
from modelport.core.signature import Signature
from modelport.wire.plain import inputs_from_body


@click.command("bench")
@click.argument("target")
@with_options
def bench(target: str, **given: Any) -> None:
    """Measure how many requests a server answers, and how fast.

    TARGET is a server's or a model's URL, or a model file, for which a server is started. Without --rate it is a closed
    loop: every connection sends its next request when the last is answered. With --rate requests are due at set times,
    and latency counts from then: a server that stalls is not spared the requests that would have come meanwhile.

    Where the load itself is the bottleneck, the output says so. Exits with 1 where nothing was answered.
    """
    options = Options(**given)
    place = find_target(target, options.model, options.version or None)
    options.check(is_file=isinstance(place, Path))
    server_cores, load_cores = free_cores() if options.pin else ((), ())
    server = own_server(place, server_cores, options.workers) if isinstance(place, Path) else nullcontext(place)
    with server as served:
        name, plan = _plan(served, options, load_cores)
        click.echo(f"{_plan_text(name, plan)}\n")
        measured = _measure(plan, options)
    _write(measured, plan, name, options)
    if not any(row.outcome.done for row in measured):
        raise click.ClickException("not one request was answered rightly")


def _plan(place: Target, options: Options, cores: tuple[int, ...]) -> tuple[str, Plan]:
    """The model's name, and the load that the options describe."""
    name, inputs = _inputs(place, options)
    address = parse_address(place.server)
    return name, Plan(
        address=address,
        payload=payload(address, name, place.version or "", inputs, options.dialect, options.header_fields()),
        connections=options.connections,
        streams=options.streams if options.dialect == "grpc" else 1,
        rate=options.rate,
        poisson=options.arrivals == "poisson",
        warmup=options.warmup,
        seconds=options.seconds,
        timeout=options.timeout,
        check=options.compare,
        processes=options.processes,
        seed=options.seed or 0,
        cores=cores,
    )


def _inputs(place: Target, options: Options) -> tuple[str, dict[str, Array]]:
    """The model's name, and what to send to it."""
    with Client(place.server, timeout=options.timeout, headers=options.header_fields()) as client:
        name = place.model or only_model(client)
        signature = client.signature(name, place.version)
    if options.data is None:
        return name, made_inputs(signature, options.rows, options.seed)
    return name, _given(options.data, signature)


def _given(data: Path, signature: Signature) -> dict[str, Array]:
    if not data.is_file():
        raise UnreadableError(f"--data: {str(data)!r} is not a file")
    return inputs_from_body(*plain_body(read_input((str(data),), None)), signature)


def _measure(plan: Plan, options: Options) -> list[Row]:
    """All measurements, each shown as soon as it is there."""
    if options.target_p99 is not None:
        return _search(plan, options.target_p99)
    rates = options.rates or (() if options.rate is None else (options.rate,))
    head = "rate" if rates else "connections"
    plans = [(f"{rate:,.0f}", replace(plan, rate=rate)) for rate in rates]
    counts = [int(number) for number in options.sweep or (plan.connections,)]
    rows: list[Row] = []
    for label, one in plans or [(str(count), replace(plan, connections=count)) for count in counts]:
        rows.append(Row(label, run(one)))
        click.echo(figures_text(head, rows[-1:], first=len(rows) == 1))
    return rows


def _search(plan: Plan, target: float) -> list[Row]:
    click.echo(f"searching the highest rate with a 99th percentile of at most {target * 1e3:g} ms")
    found = highest_rate(plan, target, run, lambda *probe: click.echo(probe_text(*probe)))
    rows = [Row(f"{rate:,.0f}", outcome) for rate, outcome, _ in found.probes]
    if found.outcome is None:
        click.echo("\nNo rate keeps it.")
    else:
        click.echo(f"\nHighest rate that keeps it: {found.rate:,.0f} requests per second\n")
        click.echo(figures_text("rate", [Row(f"{found.rate:,.0f}", found.outcome)], first=True))
    return rows


def _plan_text(name: str, plan: Plan) -> str:
    streams = f" × {plan.streams} calls" if plan.streams > 1 else ""
    return (
        f"{name} at {plan.address.url}: {plan.payload.dialect}, {plan.payload.body:,} bytes of inputs, "
        f"{plan.connections} connections{streams}, {plan.processes} load process{'es' * (plan.processes > 1)}, "
        f"{plan.seconds:g} s after {plan.warmup:g} s of warm-up"
    )


def _write(rows: list[Row], plan: Plan, name: str, options: Options) -> None:
    if options.json_file is not None:
        asked = {
            "url": plan.address.url,
            "model": name,
            "dialect": plan.payload.dialect,
            "connections": plan.connections,
            "streams": plan.streams,
            "processes": plan.processes,
            "warmup": plan.warmup,
        }
        measured = [{"label": row.label, **row.outcome.to_dict()} for row in rows]
        options.json_file.write_bytes(orjson.dumps({**asked, "measured": measured}, option=orjson.OPT_INDENT_2))
    if options.plot is not None:
        options.plot.write_text(_picture(rows, f"{name}, {plan.payload.dialect}"))


def _picture(rows: list[Row], title: str) -> str:
    by_rate = sorted((row for row in rows if row.outcome.latencies.count), key=lambda row: row.outcome.throughput)
    series = {
        word: [(row.outcome.throughput, row.outcome.latencies.percentile(percent) * 1e3) for row in by_rate]
        for word, percent in (("p50", 50), ("p99", 99))
    }
    return chart_svg(Chart(title, "requests per second", "latency, ms", series))
