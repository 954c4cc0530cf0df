"""`modelport rollout fraud`: how the rollout of a model stands; pause it, go on, take it back."""

from __future__ import annotations

import sys
import time

import click

from modelport.cli.registry_options import Where, change_options, json_text, registry_options
from modelport.cli.rollout_text import rollout_text
from modelport.core.errors import ConflictError, NotFoundError, UnavailableError
from modelport.registry.base import Registry
from modelport.registry.records import By
from modelport.registry.releases import PRODUCTION, RolloutChange, RolloutRecord
from modelport.release.conducting.reporting import RolloutReport, report

#: Seconds between two looks of --watch.
_LOOK = 1.0
#: Seconds that a server may be away while its rollout is watched.
_PATIENCE = 60.0


@click.command("rollout")
@click.argument("model")
@click.option("--alias", default=PRODUCTION, show_default=True, help="The alias whose traffic is split.")
@click.option("--pause", "do", flag_value="pause", help="Leave the share of the traffic as it is.")
@click.option("--resume", "do", flag_value="resume", help="Go on with the present step, for its whole time.")
@click.option("--advance", "do", flag_value="advance", help="Go to the next step now.")
@click.option("--abort", "do", flag_value="abort", help="Give all traffic back to the version that the alias names.")
@click.option("--watch", is_flag=True, help="Show it again and again, until it is over.")
@click.option("--json", "as_json", is_flag=True, help="Write JSON instead of text.")
@change_options
@registry_options
def rollout(*, model: str, alias: str, do: str | None, watch: bool, as_json: bool, by: By, where: Where) -> None:
    """Show the rollout of MODEL that is under way, or the last one, with the figures of both versions; or change it.

    `modelport promote` begins a rollout, and ends it by promoting its candidate; `modelport rollback` aborts it.
    """
    with where.opened() as registry:
        found = _newest(registry, model, alias)
        if do is not None:
            found = registry.change_rollout(found.id, _change(found, do), by)
        if watch:
            _watch(registry, found)
            return
        shown = report(registry, found.id)
    click.echo(json_text(shown) if as_json else rollout_text(shown))


def _newest(registry: Registry, model: str, alias: str) -> RolloutRecord:
    found = [item for item in registry.rollouts(model) if item.alias == alias]
    if not found:
        raise NotFoundError(f"no rollout of {model} was begun: modelport promote {model}@VERSION --canary 5%")
    return next((item for item in found if item.open), found[0])


def _change(found: RolloutRecord, do: str) -> RolloutChange:
    """What is asked for, of the rollout as it was seen. Raises ConflictError for what can't be."""
    if not found.open:
        raise ConflictError(f"the rollout {found.id} is over: it was {found.state}")
    seen = {"expect_state": found.state, "expect_step": found.step}
    if do == "pause":
        return RolloutChange(**seen, state="paused", reason="paused by hand")  # type: ignore[arg-type]
    if do == "resume":
        return RolloutChange(**seen, state="running")  # type: ignore[arg-type]
    if do == "abort":
        return RolloutChange(**seen, state="aborted", reason="aborted by hand")  # type: ignore[arg-type]
    if found.step + 1 >= len(found.plan.steps):
        raise ConflictError(
            f"the rollout {found.id} is at its last step: modelport promote {found.model}@{found.candidate} ends it "
            "with the candidate, --abort without"
        )
    return RolloutChange(**seen, state="running", step=found.step + 1)  # type: ignore[arg-type]


def _watch(registry: Registry, found: RolloutRecord) -> None:
    """Until it is over: on a terminal the figures, in place; elsewhere a line for each change."""
    told, seen = "", time.monotonic()
    while True:
        try:
            shown, seen = report(registry, found.id), time.monotonic()
        except UnavailableError:
            if time.monotonic() - seen > _PATIENCE:
                raise
        else:
            told = _tell(shown, told)
            if not shown.rollout.open:
                return
        time.sleep(_LOOK)


def _tell(shown: RolloutReport, told: str) -> str:
    if sys.stdout.isatty():
        text = rollout_text(shown)
        up = f"\x1b[{told.count(chr(10)) + 1}F\x1b[J" if told else ""
        click.echo(up + text)
        return text
    now = shown.rollout
    line = f"rollout {now.id}: {now.state}, {now.percent:g} %{f': {now.reason}' if now.reason else ''}"
    if line != told:
        click.echo(line)
    return line
