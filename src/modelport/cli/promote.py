"""`modelport promote fraud@4`: let it answer as production, if its gates let it pass."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import msgspec

from modelport.cli.job_progress import JobFailedError, RefusedByGates, followed, progress_bar
from modelport.cli.model_opening import check_trust_is_the_servers, trust_of, trust_options
from modelport.cli.registry_options import Where, change_options, json_text, registry_options
from modelport.cli.rollout_options import rollout_options, rollout_plan
from modelport.registry.base import Registry
from modelport.registry.records import By
from modelport.registry.references import parse_reference
from modelport.registry.releases import PRODUCTION, Verdict
from modelport.release.promotion.datasets import store_data
from modelport.release.promotion.gates import gates_of
from modelport.release.promotion.promoting import promote as promote_version
from modelport.release.promotion.wish import Promoted, RefusedError, Wish


@click.command("promote")
@click.argument("reference")
@click.option("--alias", default=PRODUCTION, show_default=True, help="The alias that is to name it.")
@rollout_options
@click.option("--gate", "gates", multiple=True, metavar="RULE", help="A gate for this time only; may be repeated.")
@click.option("--data", type=click.Path(exists=True, path_type=Path), help="Labelled data for this time only.")
@click.option("--label", default="", metavar="COLUMN", help="The column of --data with the truth.")
@click.option("--force", is_flag=True, help="Promote it whatever the gates say; the history tells that it was forced.")
@click.option("--json", "as_json", is_flag=True, help="Write what was done as JSON.")
@trust_options
@change_options
@registry_options
def promote(*, reference: str, alias: str, by: By, where: Where, as_json: bool, **given: Any) -> None:
    """Promote a version: let production name it, if all gates let it pass.

    The version is loaded, asked its golden requests, and measured on the labelled data of the model's gates beside the
    version that production names now. With --canary, --shadow, --ab or --steps, traffic is split or mirrored first, and
    the alias moves at the end, if it does (docs/releases.md).

    Exits with 3 where a gate refuses.
    """
    if "@" not in reference:
        raise click.UsageError(f"say which version: {reference}@4, or {reference}@latest")
    trusted = (given.pop("trusted"), given.pop("trust_globals"))
    gates_of(given["gates"])
    with where.opened() as registry:
        wish = _wish(registry, reference, alias, given)
        try:
            made = _remote(where, wish, by, trusted) if where.server else _local(registry, wish, by, trusted)
        except RefusedError as error:
            raise _refused(error.verdicts, str(error)) from None
        except JobFailedError as error:
            if error.verdicts:
                raise _refused(error.verdicts, error.message) from None
            raise
    click.echo(json_text(made) if as_json else _told(made))


def _refused(verdicts: tuple[Verdict, ...], text: str) -> RefusedByGates:
    click.echo(_verdicts(verdicts), err=True)
    return RefusedByGates(text)


def _wish(registry: Registry, reference: str, alias: str, given: dict[str, Any]) -> Wish:
    name, selector = parse_reference(reference)
    number = registry.version(name, selector).number
    plan = rollout_plan(number, alias, given)
    path, label = given["data"], given["label"]
    if label and path is None:
        raise click.UsageError("--label says which column of --data has the truth: name the data, too")
    data = None if path is None else store_data(registry.store, path, label)
    return Wish(name, number, alias, plan, given["gates"], data, given["force"])


def _local(registry: Registry, wish: Wish, by: By, trusted: tuple[tuple[str, ...], tuple[str, ...]]) -> Promoted:
    with progress_bar(f"promoting {wish.model}@{wish.version}") as progress:
        return promote_version(registry, wish, by, progress, trust_of(*trusted))


def _remote(where: Where, wish: Wish, by: By, trusted: tuple[tuple[str, ...], tuple[str, ...]]) -> Promoted:
    from modelport.client.releases import RemoteReleases  # noqa: PLC0415

    check_trust_is_the_servers(trusted)
    releases = RemoteReleases(where.server)
    try:
        job = releases.promote(wish, by)
        return msgspec.convert(followed(releases, job, f"promoting {wish.model}@{wish.version}"), Promoted)
    finally:
        releases.close()


def _told(made: Promoted) -> str:
    if made.already:
        return f"{made.alias}  {made.model}@{made.version}, as before"
    lines = [_verdicts(made.verdicts)] if made.verdicts else []
    was = f" (was {made.before})" if made.before else ""
    if made.rollout is None:
        lines.append(f"{made.alias}  {made.model}@{made.version}{was}{', forced' if made.forced else ''}")
    else:
        plan, verb = made.rollout.plan, "is mirrored to" if made.rollout.plan.kind == "shadow" else "goes to"
        lines.append(
            f"rollout {made.rollout.id} ({plan.kind}): {made.rollout.percent:g} % of the traffic of {made.alias} "
            f"({made.model}@{made.before}) {verb} {made.model}@{made.version}; modelport rollout {made.model} --watch"
        )
    return "\n".join(lines)


def _verdicts(verdicts: tuple[Verdict, ...]) -> str:
    return "\n".join(verdict_text(item) for item in verdicts)


def verdict_text(verdict: Verdict) -> str:
    """One gate, its figures and whether it passed."""
    return f"gate {'passed ' if verdict.passed else 'REFUSED'}  {verdict.gate}  ({verdict.why})"
