"""Opening a model: in this process where its file only holds data, in one of its own where it can run code."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from modelport.core.runtime import LoadedModel, LoadSpec
from modelport.runtimes.catalog import detect, entry_for, runtime_for
from modelport.runtimes.isolation.options import ProcessOptions
from modelport.runtimes.pickles.loading import ALLOW_GLOBALS
from modelport.runtimes.pickles.names import ANYTHING
from modelport.runtimes.trials import check_by_trial
from modelport.runtimes.trust import NO_TRUST, Trust, check_trust

#: Formats whose runtime loads pickles by the allow list.
_RESTRICTED = ("pickle",)


def open_model(
    name: str,
    digest: str,
    path: Path,
    spec: LoadSpec | None = None,
    trust: Trust = NO_TRUST,
    process: ProcessOptions | None = None,
) -> LoadedModel:
    """Load the model at `path`, whatever its format; `digest` is its artifact's sha256.

    A format that runs code is refused unless `trust` says otherwise (ForbiddenError), and is loaded in a process of its
    own, as any other is where `process.isolated` asks for it. Raises also as `detect`, `runtime_for` and
    `Runtime.load`.
    """
    spec, process = spec or LoadSpec(), process or ProcessOptions()
    format = detect(path)  # noqa: A001 - the word of the field
    runs_code = entry_for(format).runs_code
    if runs_code:
        check_trust(name, digest, path, format, trust)
        spec = _with_allowed(spec, digest, format, trust)
    if not runs_code and not process.isolated:
        check_by_trial(path, format)
        return runtime_for(format).load(path, spec)
    from modelport.runtimes.isolation.model import load_isolated  # noqa: PLC0415 - few servers need it

    return load_isolated(path, format, spec, process, name)


def _with_allowed(spec: LoadSpec, digest: str, format: str, trust: Trust) -> LoadSpec:  # noqa: A002
    """The specification, with what the model's pickles may import beyond the known names.

    What the model's own options say about that never counts: whoever wrote the model can write them too.
    """
    if format not in _RESTRICTED:
        return spec
    options = {key: value for key, value in spec.options.items() if key != ALLOW_GLOBALS}
    allowed = frozenset((ANYTHING,)) if trust.knows(digest) else trust.globals
    if allowed:
        options[ALLOW_GLOBALS] = ",".join(sorted(allowed))
    return replace(spec, options=options)
