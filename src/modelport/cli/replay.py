"""`modelport replay REQUEST_ID --against fraud@5`: a logged request, asked again of another version."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click

from modelport.cli.model_opening import trust_of, trust_options
from modelport.cli.registry_options import Where, json_text
from modelport.cli.replay_subject import opened_subject
from modelport.cli.replay_text import replay_lines, summary_lines
from modelport.cli.request_log import local_log, log_option
from modelport.client.requests import RemoteRequests
from modelport.core.errors import InvalidInputError, UnsupportedError
from modelport.engine.requests import Record, Wanted
from modelport.registry.references import parse_selector
from modelport.release.replaying import Replay, ReplaySummary, Subject, Tolerance, summary_of
from modelport.release.replaying import replay as ask_again
from modelport.runtimes.trust import Trust


@click.command("replay")
@click.argument("request_id", required=False)
@click.option(
    "--against", default="", help="fraud@5, fraud@staging, 5, a model's URL or file.  [default: the same one]"
)
@click.option("--model", default="", help="With --last: requests of this model.")
@click.option("--last", type=click.IntRange(1, 1000), metavar="N", help="The newest N requests, and a summary.")
@click.option("--version", type=click.IntRange(1), help="With --last: only requests that this version answered.")
@click.option("--relative", type=click.FloatRange(0), default=1e-4, show_default=True, help="Tolerance, of the value.")
@click.option("--absolute", type=click.FloatRange(0), default=1e-6, show_default=True, help="Tolerance beside that.")
@click.option("--timeout", type=click.FloatRange(min=0.001), default=30.0, show_default=True, help="Seconds to wait.")
@click.option("--json", "as_json", is_flag=True, help="Write JSON instead of text.")
@log_option
@click.option("--home", default="", metavar="FOLDER", help="Folder of the registry.  [default: ~/.modelport]")
@click.option("--registry", default="", metavar="URL", help="The registry's database: postgresql://…, sqlite:///…")
@click.option("--server", default="", metavar="URL", help="A server that has the log and serves the version.")
@trust_options
def replay(
    *,
    request_id: str | None,
    against: str,
    model: str,
    last: int | None,
    version: int | None,
    relative: float,
    absolute: float,
    timeout: float,
    as_json: bool,
    log: str,
    home: str,
    registry: str,
    server: str,
    trusted: tuple[str, ...],
    trust_globals: tuple[str, ...],
) -> None:
    """Ask a logged request again, and show what differs from what was answered.

    The version is loaded here, out of the registry; or it is asked where --against is a URL. With --server, that server
    does it all.

    Exits with 1 where an answer differs by more than the tolerance.
    """
    if (request_id is None) == (last is None):
        raise click.UsageError("name a request, or say --model NAME --last N")
    tolerance = Tolerance(relative, absolute)
    if server:
        if log or home or registry or request_id is None:
            raise InvalidInputError("--server replays one request of its own log: leave out --log, --home and --last")
        found = _by_server(server, request_id, against, tolerance, timeout)
        _end([found], found, as_json=as_json)
    chosen = _chosen(request_id, Wanted(model, version or 0), last or 1, log, home)
    place, trust = Where(home, registry), trust_of(trusted, trust_globals)
    replays, name, left_out = _replays(chosen, against, place, trust, timeout, tolerance)
    _end(replays, replays[0] if last is None else summary_of(name, replays, left_out), as_json=as_json)


def _chosen(request_id: str | None, wanted: Wanted, last: int, log: str, home: str) -> list[Record]:
    logged = local_log(log, home)
    if request_id is not None:
        return [logged.find(request_id)]
    if not wanted.model:
        raise InvalidInputError(f"--last needs --model; logged are: {', '.join(logged.models()) or 'none'}")
    found = logged.newest(wanted, last)
    if not found:
        raise InvalidInputError(f"no request to {wanted.model!r} is in the log in {logged.root}")
    return found


def _replays(
    records: Sequence[Record], against: str, where: Where, trust: Trust, timeout: float, tolerance: Tolerance
) -> tuple[list[Replay], str, dict[str, str]]:
    """All that can be asked again; a single one that can't is an error."""
    left_out: dict[str, str] = {}
    with opened_subject(against, records[0], where, trust, timeout) as subject:
        found = [_replayed(record, subject, tolerance, left_out, alone=len(records) == 1) for record in records]
        return [item for item in found if item is not None], subject.name, left_out


def _replayed(
    record: Record, subject: Subject, tolerance: Tolerance, left_out: dict[str, str], *, alone: bool
) -> Replay | None:
    try:
        return ask_again(record, subject, tolerance)
    except (InvalidInputError, UnsupportedError) as error:
        if alone:
            raise
        left_out[record.id] = str(error)
        return None


def _by_server(server: str, request_id: str, against: str, tolerance: Tolerance, timeout: float) -> Replay:
    remote = RemoteRequests(server, timeout)
    try:
        selector = parse_selector(against.rpartition("@")[2]) if against else None
        return remote.replay(request_id, selector, tolerance)
    finally:
        remote.close()


def _end(replays: Sequence[Replay], found: Replay | ReplaySummary, *, as_json: bool) -> None:
    lines = replay_lines(found) if isinstance(found, Replay) else summary_lines(found)
    click.echo(json_text(found) if as_json else "\n".join(lines))
    sys.exit(0 if all(item.alike for item in replays) else 1)
