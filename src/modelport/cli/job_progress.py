"""How far long work is: a bar on a terminal, lines elsewhere. And jobs of a server, followed to their end."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click
import msgspec

from modelport.registry.jobs import JobRecord
from modelport.registry.releases import Verdict
from modelport.release.promotion.wish import WHOLE, Progress

if TYPE_CHECKING:
    from modelport.client.releases import RemoteReleases

#: The exit code where a gate refuses.
REFUSED = 3


@contextmanager
def progress_bar(label: str) -> Iterator[Progress]:
    """What is told how far the work is. On stderr, so that the output stays what was asked for."""
    if not sys.stderr.isatty():
        yield _Lines(label)
        return
    shown: dict[str, str] = {"text": ""}
    bar: Any
    with click.progressbar(
        length=WHOLE, label=label, file=sys.stderr, item_show_func=lambda _: shown["text"], show_eta=False
    ) as bar:

        def told(done: int, total: int, text: str) -> None:
            shown["text"] = text
            place = round(WHOLE * done / total) if total else 0
            bar.update(max(place - bar.pos, 0), text)

        yield told


def followed(releases: RemoteReleases, job: JobRecord, label: str) -> dict[str, Any]:
    """The result of a server's job once it is done. Raises click.ClickException saying why there is none.

    A job goes on where nobody follows it: interrupted, this says how to find it again.
    """
    with progress_bar(f"{label} (job {job.id})") as progress:
        try:
            job = releases.wait(job, lambda seen: progress(seen.done, seen.total, _words(seen)))
        except KeyboardInterrupt:
            click.echo(f"\nthe job goes on: modelport jobs {job.id} shows it, and --cancel ends it", err=True)
            raise
    if job.state == "done":
        return job.result
    if job.state == "cancelled":
        raise click.ClickException(f"job {job.id} was cancelled")
    raise JobFailedError(job)


class JobFailedError(click.ClickException):
    """A job failed; the error's own words, and what gates said."""

    def __init__(self, job: JobRecord) -> None:
        super().__init__(str(job.result.get("error") or job.text or f"job {job.id} failed"))
        self.verdicts = msgspec.convert(job.result.get("verdicts") or (), tuple[Verdict, ...])


class RefusedByGates(click.ClickException):
    """A gate refused: the first line of why."""

    exit_code = REFUSED

    def __init__(self, text: str) -> None:
        super().__init__(text.partition("\n")[0])


class _Lines:
    """A line for each thing that is begun, counts left out."""

    def __init__(self, label: str) -> None:
        self._label, self._said = label, ""

    def __call__(self, done: int, total: int, text: str) -> None:
        phase = re.sub(r"[\d,]+ rows", "rows", text)
        if phase and phase != self._said and done < total:
            self._said = phase
            click.echo(f"{self._label}: {phase}", err=True)


def _words(job: JobRecord) -> str:
    if job.state == "queued":
        return "waiting for a server to take it"
    return "stopping" if job.cancelling else job.text
