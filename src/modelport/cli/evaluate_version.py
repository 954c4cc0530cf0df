"""`modelport evaluate fraud@4`: a version of the registry, whose evaluation is kept there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import msgspec

from modelport.cli.job_progress import followed, progress_bar
from modelport.cli.model_opening import check_trust_is_the_servers, trust_of
from modelport.cli.registry_options import Where
from modelport.core.errors import ModelportError
from modelport.evaluate.gates.judging import Verdict
from modelport.evaluate.results import Evaluation, evaluation_from_json
from modelport.registry.base import Registry
from modelport.registry.records import By
from modelport.registry.references import parse_reference
from modelport.release.promotion.datasets import store_data
from modelport.release.promotion.evaluating import evaluate_version
from modelport.release.promotion.wish import DataRef, Evaluated, EvaluationWish


def is_version(target: str) -> bool:
    """Whether MODEL is a version of the registry: `fraud@4`, and no file and no URL."""
    if "@" not in target or "/" in target or Path(target).exists():
        return False
    try:
        parse_reference(target)
    except ModelportError:
        return False
    return True


def evaluated_version(
    target: str, given: dict[str, Any], where: Where, by: By
) -> tuple[Evaluation, tuple[Verdict, ...]]:
    """The evaluation of a version, made here or by a server, and what the gates say of it. Raises ModelportError."""
    with where.opened() as registry:
        wish = _wish(registry, target, given)
        label = f"evaluating {wish.model}@{wish.version}"
        if where.server:
            made = _remote(where, wish, by, given, label)
        else:
            with progress_bar(label) as progress:
                trust = trust_of(given["trusted"], given["trust_globals"])
                made = evaluate_version(registry, wish, by, progress, trust)
        document = registry.evaluation(made.evaluation).document
    evaluation = evaluation_from_json(msgspec.json.encode(document))
    return evaluation, tuple(Verdict(item.gate, item.passed, item.why) for item in made.verdicts)


def _wish(registry: Registry, target: str, given: dict[str, Any]) -> EvaluationWish:
    name, selector = parse_reference(target)
    if given["model"] or given["version"]:
        raise click.UsageError(f"--model and --version are for servers, but {target} names both")
    number = registry.version(name, selector).number
    stored = store_data(registry.store, given["data"], given["label"] or "")
    return EvaluationWish(
        name,
        number,
        DataRef(stored.digest, stored.name, stored.label),
        compare=None if given["compare"] is None else _compared(registry, name, given["compare"]),
        gates=given["gates"],
        slices=given["slices"],
        ignored=given["ignored"],
        task=given["task"] or "",
        output=given["output"] or "",
        batch=given["batch"],
        resamples=given["resamples"],
        seed=given["seed"],
    )


def _compared(registry: Registry, name: str, text: str) -> int:
    """`fraud@3`, or `3` or `production` of the same model."""
    model, selector = parse_reference(text if "@" in text else f"{name}@{text}")
    if model != name:
        raise click.UsageError(f"--compare {text}: versions of {name} are compared with each other")
    return registry.version(name, selector).number


def _remote(where: Where, wish: EvaluationWish, by: By, given: dict[str, Any], label: str) -> Evaluated:
    from modelport.client.releases import RemoteReleases  # noqa: PLC0415

    check_trust_is_the_servers((given["trusted"], given["trust_globals"]))
    releases = RemoteReleases(where.server)
    try:
        return msgspec.convert(followed(releases, releases.evaluate(wish, by), label), Evaluated)
    finally:
        releases.close()
