"""Estimators of scikit-learn, and of others with its methods, from pickles and joblib files.

A pickle is a program. Whether one may be loaded at all, and that it then runs in a process of its own, is decided
elsewhere: here it is loaded.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

import sklearn
from sklearn.exceptions import InconsistentVersionWarning

from modelport.core.errors import InvalidModelError
from modelport.core.host import cpu_quota
from modelport.core.runtime import LoadedModel, LoadSpec, ModelInfo
from modelport.core.signature import Signature
from modelport.runtimes.pickles.loading import ALLOW_GLOBALS, allowed_globals, load_pickle
from modelport.runtimes.sklearn.boosters import limit_booster
from modelport.runtimes.sklearn.feeds import Feed, feed_of
from modelport.runtimes.sklearn.outputs import Method, methods_of, try_methods
from modelport.runtimes.sklearn.parameters import parameters_text
from modelport.runtimes.sklearn.version import difference, version_in_pickle
from modelport.runtimes.tables import Arrays, TableModel, check_cpu, check_options

_log = logging.getLogger(__name__)
WHAT = "scikit-learn"
# A difference of versions is told once, before loading; scikit-learn would tell it again for each part of a model. For
# the whole process: filters that are set for a while are not safe where models load and predict in threads.
warnings.filterwarnings("ignore", category=InconsistentVersionWarning)


class PickleRuntime:
    """Loads estimators that pickle or joblib wrote."""

    def load(self, path: Path, spec: LoadSpec) -> LoadedModel:
        """Load the estimator at `path`, which may run code that stands in the file.

        `spec.options` are `methods` (names of the methods to serve, with commas between them) and `allow_globals`.
        Raises InvalidModelError saying what is wrong with the file, ForbiddenError for an import that is not allowed.
        """
        check_options(spec.options, ("methods", ALLOW_GLOBALS), WHAT)
        check_cpu(spec.device, WHAT)
        written = version_in_pickle(path)
        estimator = load_told(path, written, lambda: load_pickle(path, allowed_globals(spec.options)))
        return sklearn_model(estimator, spec, path.name, "pickle", written)


def load_told(path: Path, written: str | None, load: Callable[[], Any]) -> Any:
    """What `load` gives. A difference of versions is told before it, and again where it fails."""
    told = difference(written, sklearn.__version__)
    if told:
        _log.warning("%s: %s", path.name, told)
    try:
        return load()
    except InvalidModelError as error:
        if not told:
            raise
        raise InvalidModelError(f"{error}. It was {told}") from error


def sklearn_model(estimator: Any, spec: LoadSpec, name: str, kind: str, written: str | None) -> LoadedModel:
    """A model around an estimator from the file `name` of the format `kind`, that version `written` wrote."""
    wanted = methods_of(estimator, spec.options.get("methods", ""), name)
    limit_threads(estimator, spec.threads or cpu_quota())
    feed = feed_of(estimator, spec.inputs)
    told = difference(written, sklearn.__version__)
    try:
        methods = try_methods(estimator, wanted, feed, name)
    except InvalidModelError as error:
        raise InvalidModelError(f"{error}. It was {told}" if told else str(error)) from error
    return SklearnModel(estimator, feed, methods, _info(estimator, kind, written, told))


class SklearnModel(TableModel):
    """An estimator; each of its methods is an output of the model, and only those asked for are called."""

    def __init__(self, estimator: Any, feed: Feed, methods: list[Method], info: ModelInfo) -> None:
        outputs = tuple(spec for method in methods for spec in method.specs)
        super().__init__(Signature(feed.specs, outputs), info, _Calls(estimator, feed, methods))


class _Calls:
    def __init__(self, estimator: Any, feed: Feed, methods: list[Method]) -> None:
        self._estimator = estimator
        self._feed = feed
        self._methods = methods

    def __call__(self, inputs: Arrays, wanted: Collection[str]) -> Mapping[str, Any]:
        given: dict[str, Any] = {}
        for method in self._methods:
            if any(spec.name in wanted for spec in method.specs):
                given.update(method.results(self._estimator, self._feed.rows(inputs)))
        return given


def _counted(estimator: Any) -> str:
    """How large it is; nothing for what is not built as scikit-learn's are."""
    try:
        return parameters_text(estimator)
    except Exception:  # an attribute may be a property that raises
        return ""


def limit_threads(estimator: Any, threads: int) -> None:
    """Let no part of the estimator start more threads for one prediction."""
    for part in (estimator, *(step for _, step in getattr(estimator, "steps", ()))):
        limit_booster(part, threads)
    parameters = estimator.get_params() if hasattr(estimator, "get_params") else {}
    jobs = {
        key: threads
        for key, value in parameters.items()
        if key.rpartition("__")[2] in ("n_jobs", "thread_count") and value is not None and not 0 < value <= threads
    }
    if jobs:
        try:
            estimator.set_params(**jobs)
        except Exception:
            _log.debug("the number of threads can't be set: %s", ", ".join(jobs), exc_info=True)


def _info(estimator: Any, kind: str, written: str | None, told: str) -> ModelInfo:
    package = type(estimator).__module__.partition(".")[0]
    steps = [type(step).__name__ for _, step in getattr(estimator, "steps", ())]
    properties = {
        "estimator": " → ".join(steps) or type(estimator).__name__,
        "parameters": _counted(estimator),
        "sklearn_version": written or "",
        "warning": told,
    }
    other = f" ({package})" if package not in ("sklearn", "") else ""
    return ModelInfo(
        format=kind,
        platform=f"sklearn_{kind}",
        framework=f"scikit-learn {sklearn.__version__}{other}",
        properties={key: value for key, value in properties.items() if value},
    )
