"""`modelport jobs`: long work that was asked for, how far it is, and what came of it."""

from __future__ import annotations

import click

from modelport.cli.prediction_text import aligned
from modelport.cli.registry_options import Where, change_options, json_text, registry_options
from modelport.registry.jobs import JobRecord
from modelport.registry.records import By

WIDTH = 120


@click.command("jobs")
@click.argument("job", type=int, required=False)
@click.option("--cancel", is_flag=True, help="Cancel the job: what it has done so far is thrown away.")
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help="Show so many at most.")
@click.option("--json", "as_json", is_flag=True, help="Write JSON instead of a table.")
@change_options
@registry_options
def jobs(*, job: int | None, cancel: bool, limit: int, as_json: bool, by: By, where: Where) -> None:
    """Show the jobs of the registry, newest first, or one with its result.

    Jobs are what servers with a registry are asked to do: promotions and evaluations. They go on when a server stops:
    another one, or the same one started again, takes them.
    """
    if cancel and job is None:
        raise click.UsageError("say which job to cancel: modelport jobs 7 --cancel")
    with where.opened() as registry:
        if job is None:
            found = registry.jobs(limit)
            click.echo(json_text(found) if as_json else "\n".join(_lines(found)))
            return
        shown = registry.cancel_job(job, by) if cancel else registry.job(job)
    click.echo(json_text(shown) if as_json else "\n".join(_one(shown)))


def _lines(found: list[JobRecord]) -> list[str]:
    if not found:
        return ["no jobs"]
    rows = [["job", "what", "state", "asked (UTC)", "by", ""]]
    rows += [
        [str(job.id), f"{job.kind} {job.subject}", _state(job), _moment(job.created_at), job.created_by, _words(job)]
        for job in found
    ]
    return aligned(rows, WIDTH)


def _one(job: JobRecord) -> list[str]:
    facts = {
        "job": f"{job.id}, {job.kind} {job.subject}",
        "state": _state(job) + (f", attempt {job.attempts}" if job.attempts > 1 else ""),
        "asked": f"{_moment(job.created_at)} UTC by {job.created_by}",
        "changed": f"{_moment(job.changed_at)} UTC",
        "": _words(job),
    }
    return [f"{name:<9}{value}" for name, value in facts.items() if value]


def _state(job: JobRecord) -> str:
    if job.state == "running":
        share = f" {round(100 * job.done / job.total)} %" if job.total else ""
        return "stopping" if job.cancelling else f"running{share}"
    return job.state


def _words(job: JobRecord) -> str:
    if job.state == "done":
        return ""
    return str(job.result.get("error") or "").partition("\n")[0] or job.text


def _moment(text: str) -> str:
    return text[:19].replace("T", " ")
