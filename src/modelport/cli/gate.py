"""`modelport gate fraud "accuracy >= production - 0.005" --data test.csv`: what versions must hold to."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import click

from modelport.cli.registry_options import Where, change_options, json_text, registry_options
from modelport.core.errors import ModelportError
from modelport.evaluate.data.columns import Asked
from modelport.evaluate.data.opening import open_data
from modelport.registry.base import Registry
from modelport.registry.records import By
from modelport.registry.releases import GateRules
from modelport.release.promotion.datasets import store_data
from modelport.release.promotion.gates import SIGNATURE, gates_of, needs_data, slices_of
from modelport.release.promotion.versions import known_signature


@click.command("gate")
@click.argument("model")
@click.argument("rules", metavar="[RULE]...", nargs=-1)
@click.option("--data", type=click.Path(exists=True, path_type=Path), help="Labelled data to measure versions on.")
@click.option(
    "--label", metavar="COLUMN", help="The column with the truth.  [default: label, target, y, class, the last]"
)
@click.option("--remove", is_flag=True, help="Take these rules away; without rules, all of them and the data.")
@click.option("--json", "as_json", is_flag=True, help="Write the gates as JSON.")
@change_options
@registry_options
def gate(
    *,
    model: str,
    rules: tuple[str, ...],
    data: Path | None,
    label: str | None,
    remove: bool,
    as_json: bool,
    by: By,
    where: Where,
) -> None:
    """Say what versions of MODEL must hold to before they are promoted, or show it.

    RULEs are added to those that there are; docs/evaluation.md has their language, in which `production` is the version
    that the alias names at that time. The data is sent to the artifact store, and kept there as long as gates name it.
    """
    if remove and (data is not None or label is not None):
        raise click.UsageError("--remove takes rules away: leave out --data and --label")
    with where.opened() as registry:
        present = registry.gates(model)
        if remove:
            registry.set_gates(model, _without(present, rules), by)
        elif rules or data is not None or label is not None:
            registry.set_gates(model, _with(registry, model, present, rules, data, label), by)
        shown = registry.gates(model)
    click.echo(json_text(shown) if as_json else _text(model, shown))


def _with(
    registry: Registry,
    model: str,
    present: GateRules | None,
    rules: tuple[str, ...],
    data: Path | None,
    label: str | None,
) -> GateRules:
    made = replace(present or GateRules(()), label=label if label is not None else present.label if present else "")
    texts = (*made.rules, *(" ".join(rule.split()) for rule in rules))
    made = replace(made, rules=tuple(dict.fromkeys(texts)))
    gates = gates_of(made.rules)
    if data is not None:
        _check_data(registry, model, data, Asked(made.label or None, slices_of(gates)))
        stored = store_data(registry.store, data, made.label)
        made = replace(made, data=stored.digest, data_name=stored.name)
    lacking = [item.text for item in gates if needs_data(item)] if not made.data else []
    if lacking:
        raise click.UsageError(f"the gate {lacking[0]!r} is judged on labelled data: name it with --data FILE")
    return made


def _without(present: GateRules | None, rules: tuple[str, ...]) -> GateRules | None:
    if present is None or not rules:
        return None
    given = {" ".join(rule.split()) for rule in rules}
    unknown = given - set(present.rules)
    if unknown:
        known = ", ".join(map(repr, present.rules)) or "none"
        raise click.UsageError(f"there is no gate {min(unknown)!r}; there is {known}")
    left = tuple(rule for rule in present.rules if rule not in given)
    return replace(present, rules=left) if left or present.data else None


def _check_data(registry: Registry, model: str, data: Path, asked: Asked) -> None:
    """Say at once that the data does not fit the newest version, where its signature is known."""
    signature = None
    newest = registry.model(model).latest
    if newest is not None:
        signature = known_signature(registry.version(model, newest))
    if signature is None:
        return
    try:
        for batch in itertools.islice(open_data(data, signature, asked).batches(1), 1):
            batch.tensors(signature)
    except ModelportError as error:
        raise click.UsageError(f"{data.name} does not fit {model}@{newest}: {error}") from None


def _text(model: str, gates: GateRules | None) -> str:
    if gates is None:
        return f"{model} has no gates; built in: {SIGNATURE}"
    lines = list(gates.rules)
    if not any(rule.startswith("signature") for rule in lines):
        lines.append(f"{SIGNATURE}  (built in)")
    if gates.data:
        label = f", label {gates.label!r}" if gates.label else ""
        lines.append(f"on {gates.data_name}{label}  sha256:{gates.data[:12]}…")
    return "\n".join(lines)
