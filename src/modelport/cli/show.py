"""`modelport show fraud[@3]`: all that the registry knows of a model or a version."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import click

from modelport.cli.inspect_text import size_text
from modelport.cli.prediction_text import aligned
from modelport.cli.registry_options import Where, json_text, registry_options
from modelport.core.description import signature_from_dict
from modelport.registry.base import Registry
from modelport.registry.records import ModelRecord, VersionRecord
from modelport.registry.references import parse_reference
from modelport.registry.releases import RolloutRecord

WIDTH = 100


@click.command("show")
@click.argument("reference")
@click.option("--json", "as_json", is_flag=True, help="Write JSON instead of text.")
@registry_options
def show(*, reference: str, as_json: bool, where: Where) -> None:
    """Show a model (fraud), or one of its versions (fraud@3, fraud@production, fraud@latest)."""
    name, selector = parse_reference(reference)
    with where.opened() as registry:
        if "@" in reference:
            version = registry.version(name, selector)
            click.echo(json_text(version) if as_json else "\n".join(_version(registry, version)))
        else:
            model = registry.model(name)
            click.echo(json_text(model) if as_json else "\n".join(_model(registry, model)))


def _model(registry: Registry, model: ModelRecord) -> Iterable[str]:
    gates = registry.gates(model.name)
    yield from _facts(
        {
            "model": model.name,
            "description": model.description,
            "versions": str(model.versions),
            "latest": "" if model.latest is None else str(model.latest),
            "aliases": ", ".join(f"{alias} → {number}" for alias, number in model.aliases.items()),
            "rollout": ", ".join(_rollout(item) for item in registry.rollouts(model.name) if item.open),
            "gates": "" if gates is None else "; ".join(gates.rules),
            "tags": _pairs(model.tags),
            "created": f"{_moment(model.created_at)} by {model.created_by}",
        }
    )


def _rollout(rollout: RolloutRecord) -> str:
    state = "" if rollout.state == "running" else f", {rollout.state}"
    share = f"{rollout.percent:g} % of {rollout.alias}"
    return f"{rollout.plan.kind} {rollout.id} of version {rollout.candidate}, {share}{state}"


def _evaluation(registry: Registry, version: VersionRecord) -> str:
    """The last one."""
    for evaluation in registry.evaluations(version.model, version.number, 1):
        return f"{_numbers(evaluation.metrics)} on {evaluation.dataset or 'data'}, {_moment(evaluation.created_at)}"
    return ""


def _version(registry: Registry, version: VersionRecord) -> Iterable[str]:
    manifest = version.manifest
    assert manifest is not None
    came, made = manifest.provenance, manifest.environment
    changed = " and work that is in no commit" if came.git_changed else ""
    yield from _facts(
        {
            "version": f"{version.model}@{version.number}",
            "aliases": ", ".join(version.aliases),
            "description": version.description,
            "format": f"{manifest.format}{f' ({manifest.platform})' if manifest.platform else ''}",
            "framework": manifest.framework,
            "size": size_text(version.size),
            "digest": f"sha256:{version.digest}",
            "metrics": _numbers(version.metrics),
            "evaluated": _evaluation(registry, version),
            "tags": _pairs(version.tags),
            "pushed": f"{_moment(version.created_at)} by {version.created_by}",
            "source": came.source,
            "commit": f"{came.git_commit}{changed}" if came.git_commit else "",
            "repository": came.git_remote,
            "training data": f"sha256:{came.training_data}" if came.training_data else "",
            "made with": f"Python {made.python}, {_pairs(made.packages, ' ')}",
        }
    )
    yield from _signature(manifest.signature)
    yield "Files"
    rows = [[file.path, size_text(file.size), f"sha256:{file.sha256[:12]}…"] for file in manifest.files]
    yield from (f"  {line}" for line in aligned(rows, WIDTH))


def _signature(document: dict[str, Any] | None) -> Iterable[str]:
    if document is None:
        yield "The signature is not known."
        return
    signature = signature_from_dict(document)
    for title, specs in (("Inputs", signature.inputs), ("Outputs", signature.outputs)):
        yield title
        yield from (f"  {spec.describe()}" for spec in specs)


def _facts(facts: Mapping[str, str]) -> Iterable[str]:
    indent = max(map(len, facts)) + 2
    return [f"{name:<{indent}}{value}" for name, value in facts.items() if value]


def _pairs(values: Mapping[str, str], between: str = "=") -> str:
    return ", ".join(f"{name}{between}{value}" for name, value in values.items())


def _numbers(values: Mapping[str, float]) -> str:
    return _pairs({name: f"{value:.6g}" for name, value in values.items()})


def _moment(text: str) -> str:
    return text[:19].replace("T", " ") + " UTC"
