"""What `modelport bench` can be told."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import Any

import click

from modelport.client.load import DIALECTS

_TIME = re.compile(r"(\d+\.?\d*)\s*(us|µs|ms|s)?")
_UNITS = {"us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, None: 1e-3}


class Time(click.ParamType[float]):
    name = "time"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        found = _TIME.fullmatch(str(value))
        if found is None or float(found[1]) == 0:
            self.fail(f"{value!r} is not a time such as 10ms, 500us or 1.5s", param, ctx)
        return float(found[1]) * _UNITS[found[2]]


class Numbers(click.ParamType[tuple[float, ...]]):
    name = "numbers"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[float, ...]:
        try:
            numbers = tuple(float(part) for part in str(value).split(","))
        except ValueError:
            numbers = ()
        if not numbers or not all(0 < number < 1e9 for number in numbers):
            self.fail(f"{value!r} is not a list of positive numbers such as 1,8,32", param, ctx)
        return numbers


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The options as they were given; `_OPTIONS` says what each means."""

    model: str | None
    version: str
    dialect: str
    connections: int
    streams: int
    rate: float | None
    arrivals: str
    sweep: tuple[float, ...] | None
    rates: tuple[float, ...] | None
    target_p99: float | None
    seconds: float
    warmup: float
    processes: int
    timeout: float
    rows: int
    seed: int | None
    data: Path | None
    headers: tuple[str, ...]
    compare: bool
    pin: bool
    workers: int | None
    json_file: Path | None
    plot: Path | None

    def header_fields(self) -> dict[str, str]:
        """The headers by name. Raises UsageError for what is none."""
        pairs = [line.partition(":") for line in self.headers]
        wrong = [
            line for line, (name, colon, _) in zip(self.headers, pairs, strict=True) if not (name.strip() and colon)
        ]
        if wrong:
            raise click.UsageError(f"--header is NAME:VALUE, not {wrong[0]!r}.")
        return {name.strip(): value.strip() for name, _, value in pairs}

    def check(self, *, is_file: bool) -> None:
        """Raise UsageError for options that exclude each other, or that a server at a URL can't have."""
        if sum(option is not None for option in (self.rate, self.sweep, self.rates, self.target_p99)) > 1:
            raise click.UsageError("--rate, --sweep, --rates and --target-p99 exclude each other.")
        if self.workers is not None and not is_file:
            raise click.UsageError("--workers is for a FILE: the server at a URL has those that it was started with.")


_OPTIONS: tuple[Callable[[Any], Any], ...] = (
    click.option("--model", help="The model, where TARGET is a server that serves several."),
    click.option("--version", default="", help="The model's version; the server chooses where none is given."),
    click.option("--dialect", type=click.Choice(DIALECTS), default="json", show_default=True, help="How to ask."),
    click.option(
        "--connections", type=click.IntRange(1), default=32, show_default=True, help="Connections to keep open."
    ),
    click.option(
        "--streams", type=click.IntRange(1), default=1, show_default=True, help="With gRPC, calls at a time on each."
    ),
    click.option(
        "--rate",
        type=click.FloatRange(min=0, min_open=True),
        help="Open loop: so many requests a second, whatever the server does.",
    ),
    click.option(
        "--arrivals",
        type=click.Choice(("poisson", "constant")),
        default="poisson",
        show_default=True,
        help="Open loop: requests at random as from many callers, or evenly.",
    ),
    click.option(
        "--sweep", type=Numbers(), default=None, metavar="1,8,32", help="One measurement per connection count."
    ),
    click.option(
        "--rates", type=Numbers(), default=None, metavar="100,200", help="One measurement per rate (open loop)."
    ),
    click.option(
        "--target-p99", type=Time(), metavar="10ms", help="Search the highest rate that keeps this 99th percentile."
    ),
    click.option(
        "--seconds", type=click.FloatRange(0.1), default=10.0, show_default=True, help="To measure, each time."
    ),
    click.option("--warmup", type=click.FloatRange(0), default=2.0, show_default=True, help="Seconds before that."),
    click.option(
        "--processes", type=click.IntRange(1), default=1, show_default=True, help="Processes that make the load."
    ),
    click.option("--timeout", type=click.FloatRange(0.001), default=30.0, show_default=True, help="Seconds to wait."),
    click.option("--rows", type=click.IntRange(1), default=1, show_default=True, help="Rows in each request."),
    click.option("--seed", type=int, help="Random inputs, instead of typical values and zeros."),
    click.option(
        "--data", type=click.Path(path_type=Path), help="Inputs from a file: JSON, CSV, .npy, .npz or a picture."
    ),
    click.option("--header", "headers", multiple=True, metavar="NAME:VALUE", help="A header to send; may be repeated."),
    click.option("--check", "compare", is_flag=True, help="Count answers that differ from the first one as errors."),
    click.option("--pin", is_flag=True, help="Keep the load, and the server of a FILE, on cores of their own."),
    click.option(
        "--workers", type=click.IntRange(0), help="Worker processes of the server that is started for a FILE."
    ),
    click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write all figures as JSON."),
    click.option("--plot", type=click.Path(path_type=Path), help="Write rate and latency as an SVG picture."),
)


def with_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command these options, in this order."""
    return reduce(lambda inner, option: option(inner), reversed(_OPTIONS), command)
