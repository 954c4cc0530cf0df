"""Two versions of a model side by side."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from modelport.artifacts.manifest import Manifest
from modelport.core.errors import InvalidInputError
from modelport.core.references import parse_version
from modelport.evaluate.compatibility import incompatibilities
from modelport.registry.base import LARGEST_PAGE, Registry
from modelport.registry.records import VersionRecord
from modelport.registry.releases import EvaluationRecord
from modelport.web.registry.models import signature_of
from modelport.web.registry.visit import View, Visit
from modelport.web.registry.wording import moment_words, size_words


@dataclass(frozen=True, slots=True)
class Fact:
    """One line of the comparison."""

    name: str
    left: str
    right: str

    @property
    def same(self) -> bool:
        """Whether both are alike."""
        return self.left == self.right


@dataclass(frozen=True, slots=True)
class Figure:
    """One number of both; None where a version has none."""

    name: str
    left: float | None
    right: float | None

    @property
    def difference(self) -> float | None:
        """The right one less the left one."""
        return None if self.left is None or self.right is None else self.right - self.left


@dataclass(frozen=True, slots=True)
class SameData:
    """The newest evaluations of both versions on the same data."""

    left: EvaluationRecord
    right: EvaluationRecord
    figures: list[Figure]


def comparison(visit: Visit) -> View:
    """The page of `?v=2&v=3`, the older one left."""
    registry, name = visit.registry, visit.path["name"]
    model = registry.model(name)
    wanted = sorted({parse_version(text) for text in visit.several.get("v", [])})
    if len(wanted) != 2:
        raise InvalidInputError(f"choose two versions of {name} to compare: {len(wanted) or 'none'} was chosen")
    left, right = (registry.version(name, number) for number in wanted)
    before, after = signature_of(left), signature_of(right)
    return View(
        "registry/compare.html",
        {
            "model": model,
            "left": left,
            "right": right,
            "facts": list(_facts(left, right)),
            "packages": _texts(_packages(left), _packages(right)),
            "tags": _texts(left.tags, right.tags),
            "metrics": figures(left.metrics, right.metrics),
            "signatures": (before, after),
            "broken": incompatibilities(before, after) if before and after else (),
            "evaluations": same_data(registry, name, left.number, right.number),
        },
    )


def figures(left: Mapping[str, float], right: Mapping[str, float]) -> list[Figure]:
    """The metrics that either has, those of the left one first."""
    return [Figure(name, left.get(name), right.get(name)) for name in dict.fromkeys((*left, *right))]


def same_data(registry: Registry, name: str, left: int, right: int) -> list[SameData]:
    """The newest evaluations of both versions, for each data set that both were evaluated on."""
    mine = _newest(registry.evaluations(name, left, LARGEST_PAGE))
    theirs = _newest(registry.evaluations(name, right, LARGEST_PAGE))
    return [
        SameData(item, theirs[digest], figures(item.metrics, theirs[digest].metrics))
        for digest, item in mine.items()
        if digest in theirs
    ]


def _newest(evaluations: list[EvaluationRecord]) -> dict[str, EvaluationRecord]:
    """By the data's digest; they come newest first."""
    found: dict[str, EvaluationRecord] = {}
    for item in evaluations:
        found.setdefault(item.dataset_digest or item.dataset, item)
    return found


def _facts(left: VersionRecord, right: VersionRecord) -> Iterator[Fact]:
    for name, mine, theirs in zip(_FACTS, _values(left), _values(right), strict=True):
        if mine or theirs:
            yield Fact(name, mine, theirs)


_FACTS = (
    "Format",
    "Framework",
    "Size",
    "Files",
    "Pushed",
    "By",
    "Description",
    "Aliases",
    "Python",
    "System",
    "Git commit",
    "Git remote",
    "Training data",
    "Imported from",
    "SHA-256",
)


def _values(version: VersionRecord) -> tuple[str, ...]:
    manifest = version.manifest
    assert manifest is not None  # a version that is asked for alone has it
    origin, place = manifest.provenance, manifest.environment
    return (
        " ".join(dict.fromkeys(part for part in (version.format, manifest.platform) if part)),
        manifest.framework,
        size_words(version.size),
        str(len(manifest.files)),
        moment_words(version.created_at),
        version.created_by,
        version.description,
        ", ".join(version.aliases),
        place.python,
        place.system,
        commit_words(manifest),
        origin.git_remote,
        origin.training_data,
        origin.source,
        version.digest,
    )


def commit_words(manifest: Manifest) -> str:
    """The commit that a version came from, and whether there was more than it."""
    origin = manifest.provenance
    return origin.git_commit + (" with changes in no commit" if origin.git_commit and origin.git_changed else "")


def _packages(version: VersionRecord) -> Mapping[str, str]:
    return version.manifest.environment.packages if version.manifest else {}


def _texts(left: Mapping[str, str], right: Mapping[str, str]) -> list[Fact]:
    return [Fact(name, left.get(name, ""), right.get(name, "")) for name in sorted({*left, *right})]
