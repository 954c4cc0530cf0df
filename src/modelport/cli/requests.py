"""`modelport requests [MODEL]` and `modelport requests show ID`: what was asked and answered."""

from __future__ import annotations

from typing import Any

import click
import orjson

from modelport.cli.request_log import list_lines, local_log, log_option, request_lines
from modelport.client.requests import RemoteRequests
from modelport.core.errors import InvalidInputError
from modelport.engine.requests import Wanted
from modelport.engine.requests.asked import moment_of
from modelport.engine.requests.document import ELEMENTS, request_document, summary_document


@click.command("requests")
@click.argument("words", metavar="[MODEL | show ID]", nargs=-1)
@click.option("--version", type=click.IntRange(1), help="Only requests that this version answered.")
@click.option("--errors", is_flag=True, help="Only requests that failed.")
@click.option("--since", default="", metavar="TIME", help="Only requests after this: 30m, 2h, 7d ago, or an ISO time.")
@click.option("--before", default="", metavar="TIME", help="Only requests before this.")
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True, help="List so many at most.")
@click.option("--json", "as_json", is_flag=True, help="Write JSON instead of a table.")
@log_option
@click.option("--home", default="", metavar="FOLDER", help="Folder of the registry.  [default: ~/.modelport]")
@click.option("--server", default="", metavar="URL", help="A server whose log to read: http://host:8000")
def requests(*, words: tuple[str, ...], as_json: bool, log: str, home: str, server: str, **wanted: Any) -> None:
    """List logged requests, of MODEL or of all models, newest first; or show one, with its inputs and outputs.

    Requests are logged where a model's modelport.toml says [logging] requests = true, or MODELPORT_LOG_REQUESTS names
    the model.
    """
    if server and (log or home):
        raise InvalidInputError("--server has a log of its own: leave out --log and --home")
    if words[:1] == ("show",) and len(words) == 2:
        found = _one(words[1], log, home, server)
        click.echo(_json(found) if as_json else "\n".join(request_lines(found)))
        return
    if len(words) > 1:
        raise click.UsageError("write modelport requests MODEL, or modelport requests show ID")
    listed = _listed("".join(words), log, home, server, wanted)
    click.echo(_json({"requests": listed}) if as_json else "\n".join(list_lines(listed)))


def _one(request_id: str, log: str, home: str, server: str) -> dict[str, Any]:
    if not server:
        return request_document(local_log(log, home).find(request_id))
    remote = RemoteRequests(server)
    try:
        return remote.find(request_id, ELEMENTS)
    finally:
        remote.close()


def _listed(model: str, log: str, home: str, server: str, wanted: dict[str, Any]) -> list[dict[str, Any]]:
    if server:
        remote = RemoteRequests(server)
        try:
            return remote.newest(model=model, **wanted)
        finally:
            remote.close()
    since, before = (moment_of(wanted[name]) for name in ("since", "before"))
    chosen = Wanted(model, wanted["version"] or 0, wanted["errors"], since, before)
    return [summary_document(record) for record in local_log(log, home).newest(chosen, wanted["limit"])]


def _json(found: dict[str, Any]) -> str:
    return orjson.dumps(found, option=orjson.OPT_INDENT_2).decode()
