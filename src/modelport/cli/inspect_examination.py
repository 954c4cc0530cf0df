"""All that can be told about one model, as a plain document: first without running anything of it, then by loading it.

What can run code is loaded only where it is trusted, and then in a process of its own, as the server does it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from modelport.artifacts.digest import digest
from modelport.artifacts.model_file import NAME, ModelFile
from modelport.cli.inspect_code import code_document, dangers_in
from modelport.cli.inspect_subject import Subject, sizes
from modelport.cli.inspect_versions import FRAMEWORKS, installed, missing, version_note
from modelport.core.declared import with_meanings
from modelport.core.description import signature_to_dict
from modelport.core.errors import ForbiddenError, InternalError, InvalidModelError, MissingExtraError, ModelportError
from modelport.core.references import check_model_name
from modelport.core.runtime import LoadedModel, LoadSpec, ModelInfo
from modelport.core.signature import Signature
from modelport.engine.engine import Engine
from modelport.engine.lifecycle.golden import prove
from modelport.engine.lifecycle.loader import load_spec, load_version
from modelport.engine.lifecycle.source import files_beside
from modelport.engine.pipelines import PipelineOptions
from modelport.engine.settings import EngineSettings
from modelport.release.promotion.opening import open_artifact
from modelport.runtimes.catalog import detect, entry_for
from modelport.runtimes.isolation.environments import requirements_file
from modelport.runtimes.isolation.options import ProcessOptions
from modelport.runtimes.outlines import Outline, outline_of
from modelport.runtimes.trust import Trust, check_trust

Document = dict[str, Any]


def examine(subject: Subject, trust: Trust, measure: bool, others: Iterable[str] = ()) -> Document:
    """The document of one version; `others` are the models beside it, which a pipeline may be made of.

    `servable` says whether it could be served as it is; if not, `needs` say what would make it so, or `problem` why it
    can't be. `sha256` is what `--trust` takes.
    """
    found: Document = {"model": subject.name, "version": subject.version, "file": str(subject.path)}
    needs: list[dict[str, str]] = []
    found |= {"needs": needs, "dangers": [], "warnings": []}
    try:
        _check_name(subject, needs)
        settings = _told_by_others(subject, found)
        if subject.is_pipeline:
            _pipeline(settings, found, others)
        else:
            _model(subject, settings, found, trust, measure)
    except ModelportError as error:
        _add(found, error)
    found["servable"] = not needs and "problem" not in found
    return found


def _check_name(subject: Subject, needs: list[dict[str, str]]) -> None:
    try:
        check_model_name(subject.name)
    except ModelportError as error:
        needs.append({"kind": "name", "text": f"{error}: modelport serve --name NAME, or rename the file"})


def _told_by_others(subject: Subject, found: Document) -> ModelFile:
    """What the owner says, over what another server's repository says. Raises InvalidModelError."""
    described = subject.artifact.described
    if described is not None:
        found["described_by"] = [str(file) for file in described.files]
        found["warnings"] += described.warnings
        if described.problem:
            raise InvalidModelError(described.problem)
    return subject.artifact.model_file(subject.name)


def _pipeline(settings: ModelFile, found: Document, others: Iterable[str]) -> None:
    """A model that others compute: nothing is loaded."""
    options = settings.section("pipeline", PipelineOptions)
    options.check()
    names = list(dict.fromkeys(name for step in options.steps for name in step.models))
    found |= {"format": "pipeline", "steps": [step.name for step in options.steps], "models": names}
    known = set(others)
    for name in names:
        if name.partition("@")[0] not in known:
            found["needs"].append({"kind": "model", "text": f"the model {name!r}, which is served beside it"})


def _model(subject: Subject, settings: ModelFile, found: Document, trust: Trust, measure: bool) -> None:
    path, spec = subject.path, load_spec(settings)
    format = detect(path)  # noqa: A001 - the word of the field
    own, beside = sizes(subject, spec.options)
    found |= {"format": format, "bytes": own, "bytes_beside": beside}
    found["sha256"] = digest(path, files_beside(path, spec.options))
    _outlined(subject, format, found)
    code = code_document(path, format)
    if code is not None:
        found["code"] = code
        found["dangers"] += dangers_in(code, path)
        if code.get("error") and not code["imports"]:
            raise InvalidModelError(code["error"])
    lacking = "" if _has_own_environment(subject, settings, format, found) else missing(format)
    if lacking:
        found["needs"].append({"kind": "install", "text": lacking})
    if entry_for(format).runs_code:
        check_trust(subject.name, found["sha256"], path, format, trust)
    if not lacking:
        _loaded(subject, settings, spec, found, trust, measure)


def _has_own_environment(subject: Subject, settings: ModelFile, format: str, found: Document) -> bool:  # noqa: A002
    """Whether the model names requirements or an interpreter: what is installed here is then no matter."""
    process = settings.section("process", ProcessOptions)
    file = requirements_file(subject.path, format, process)
    if file is not None:
        lines = [line.strip() for line in file.read_text(encoding="utf-8", errors="replace").splitlines()]
        found["properties"]["requirements"] = ", ".join(line for line in lines if line and not line.startswith("#"))
    return bool(file or process.python)


def _outlined(subject: Subject, format: str, found: Document) -> None:  # noqa: A002 - the word of the field
    """What the file says without its framework. Raises InvalidModelError for a damaged or a forbidden one."""
    framework = FRAMEWORKS.get(format)
    here = installed(format)
    if framework is not None:
        found["installed"] = f"{framework.title} {here}" if here else ""
    outline: Outline = outline_of(subject.path, format)
    found["written_by"] = f"{outline.writer} {outline.version}".strip()
    found["parameters"] = outline.parameters
    found["properties"] = dict(outline.properties)
    found["dangers"] += outline.dangers
    note = version_note(format, outline)
    if note:
        found["warnings"].append(note)
    if outline.signature is not None:
        found["signature"] = signature_to_dict(outline.signature)


def _loaded(
    subject: Subject, settings: ModelFile, spec: LoadSpec, found: Document, trust: Trust, measure: bool
) -> None:
    """What is known once it is in memory: with `measure`, also how it would be run. Raises ModelportError."""
    loaded, signature, run = _measured(subject, trust) if measure else _opened(subject, spec, trust)
    try:
        found |= _in_memory(loaded.info, signature, found)
        if run:
            found["run"] = run
        count = prove(loaded, signature, settings)
        if count:
            found["golden"] = count
    finally:
        loaded.close()


def _opened(subject: Subject, spec: LoadSpec, trust: Trust) -> tuple[LoadedModel, Signature, Document]:
    try:
        loaded = open_artifact(subject.name, subject.artifact, trust)
    except ModelportError:
        raise
    except Exception as error:  # what a framework raises that its runtime does not know
        raise InvalidModelError(f"{subject.path} can't be loaded: {type(error).__name__}: {error}") from error
    return loaded, with_meanings(loaded.signature, spec.inputs, spec.outputs), {}


def _measured(subject: Subject, trust: Trust) -> tuple[LoadedModel, Signature, Document]:
    """Loaded and measured by the engine itself, with its default settings."""
    engine = Engine(EngineSettings(trust=_words(trust), trust_globals=",".join(sorted(trust.globals))))
    served = load_version(engine, subject.name, subject.version, subject.artifact)
    run = {
        "execution": served.execution,
        "cost_ms": served.cost_ms,
        "batching": served.batching,
        "cost_curve": [{"rows": rows, "ms": cost} for rows, cost in served.cost_curve],
    }
    return served.loaded, served.signature, run


def _words(trust: Trust) -> str:
    """A trust as `--trust` would say it."""
    digests = (f"sha256:{item}" for item in trust.digests)
    return ",".join((*(["all"] if trust.all else []), *sorted(trust.models), *sorted(digests)))


def _in_memory(info: ModelInfo, signature: Signature, found: Document) -> Document:
    properties = dict(info.properties)
    counted = properties.pop("parameters", "")
    properties.pop("sklearn_version", None)
    if properties.get("warning") in found["warnings"]:
        del properties["warning"]
    return {
        "platform": info.platform,
        "framework": info.framework,
        # an ONNX file's trees are counted only here; everything else is counted best by its framework
        "parameters": found["parameters"] if info.format == "onnx" else counted or found["parameters"],
        "properties": {**found["properties"], **properties},
        "signature": signature_to_dict(signature),
    }


def _add(found: Document, error: ModelportError) -> None:
    """An error as something that is needed, where its owner can give it, or as the reason why it can't be served."""
    text = str(error)
    if isinstance(error, ForbiddenError):
        found["needs"].append({"kind": "trust", "text": text})
    elif isinstance(error, MissingExtraError):
        found["needs"].append({"kind": "install", "text": text})
    elif NAME in text and not isinstance(error, InternalError):
        found["needs"].append({"kind": NAME, "text": text})
    else:
        found["problem"] = text
