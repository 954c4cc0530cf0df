"""A model of the registry with its versions, and one version with all that is known about it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from modelport.core.description import signature_from_dict
from modelport.core.errors import NotFoundError
from modelport.core.references import parse_version
from modelport.core.signature import Signature
from modelport.evaluate.plots.report import is_of_part
from modelport.registry.base import Registry
from modelport.registry.records import AliasAt, ModelRecord, VersionRecord
from modelport.registry.releases import PRODUCTION
from modelport.web.registry.overview import open_ones
from modelport.web.registry.visit import PAGE, View, Visit

#: As many metrics as the table of versions has columns for.
_COLUMNS = 4
#: As many rollouts and evaluations as are shown beside the versions.
_FEW = 5


def model(visit: Visit) -> View:
    """The model's page: versions newest first, beginning before `before`."""
    registry, name = visit.registry, visit.path["name"]
    record = registry.model(name)
    found = registry.versions(name, visit.number("before"), PAGE + 1)
    shown, more = found[:PAGE], len(found) > PAGE
    rollouts = registry.rollouts(name, _FEW)
    return View(
        "registry/model.html",
        {
            "model": record,
            "versions": shown,
            "metrics": common_metrics(item.metrics for item in shown),
            "next": shown[-1].number if more else None,
            "before": visit.number("before"),
            "named": {item.alias: item for item in named_now(registry, name)},
            "rollouts": rollouts,
            "open": open_ones(rollouts),
            "gates": registry.gates(name),
            "evaluations": registry.evaluations(name, None, _FEW),
            "signature": shown_signature(registry, record),
            "served": visit.served.get(name),
            "production": PRODUCTION,
        },
    )


def version(visit: Visit) -> View:
    """One version: its manifest, signature, metrics, evaluations."""
    registry, name = visit.registry, visit.path["name"]
    record = registry.version(name, parse_version(visit.path["version"]))
    return View(
        "registry/version.html",
        {
            "model": registry.model(name),
            "version": record,
            "signature": signature_of(record),
            "evaluations": registry.evaluations(name, record.number, _FEW * 4),
            "served": visit.served.get(name),
            "production": PRODUCTION,
        },
    )


def signature_of(record: VersionRecord) -> Signature | None:
    """The signature in a version's manifest; None where it was not known when it was pushed."""
    document = record.manifest.signature if record.manifest else None
    return signature_from_dict(document) if document else None


def shown_signature(registry: Registry, model: ModelRecord) -> tuple[int, Signature | None] | None:
    """The signature that clients meet: that of what is in production, else of the newest version."""
    number = model.aliases.get(PRODUCTION, model.latest)
    if number is None:
        return None
    return number, signature_of(registry.version(model.name, number))


def named_now(registry: Registry, name: str) -> list[AliasAt]:
    """The aliases of now, with since when and by whom."""
    try:
        return registry.aliases_at(name, datetime.now(UTC).isoformat())
    except NotFoundError:  # deleted meanwhile
        return []


def common_metrics(metrics: Iterable[Mapping[str, float]]) -> list[str]:
    """The names that most of them have, at most as many as a table has columns for; none of a single class."""
    counted = Counter(name for figures in metrics for name in figures if not is_of_part(name))
    return [name for name, _ in counted.most_common(_COLUMNS)]
