"""What an estimator gives: one output for each of its methods, tried at load to see its type and shape."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from modelport.core.datatypes import BYTES, Array, datatype_of
from modelport.core.errors import InvalidInputError, InvalidModelError, TooLargeError
from modelport.core.meaning import Labels, Meaning, Probabilities, Quantity
from modelport.core.nearest import did_you_mean
from modelport.core.signature import TensorSpec
from modelport.runtimes.sklearn.feeds import Feed
from modelport.runtimes.tables import one_line

#: The methods that are served, and what their outputs are called.
METHODS = {
    "predict": "label",
    "predict_proba": "probabilities",
    "predict_log_proba": "log_probabilities",
    "decision_function": "decision",
    "score_samples": "score",
    "transform": "transformed",
}
#: The output of `predict` where it is a number.
NUMBER = "y"
_TAKE_DICTS = frozenset({"DictVectorizer", "FeatureHasher"})
#: A sparse result is made dense up to this size.
DENSE_BYTES = 256 << 20


@dataclass(frozen=True)
class Method:
    """One method of an estimator and its outputs: several where it gives a list, one array for each target."""

    name: str
    specs: tuple[TensorSpec, ...]

    def results(self, estimator: Any, rows: Any) -> dict[str, Array]:
        """Call it. Gives each output by its name."""
        given = _arrays(getattr(estimator, self.name)(rows))
        return {spec.name: _in_shape(array, spec) for spec, array in zip(self.specs, given, strict=True)}


def methods_of(estimator: Any, wanted: str, file: str) -> list[str]:
    """The methods that `wanted` names, with commas between them; where it is empty, those that say most.

    Raises InvalidInputError for one that the estimator does not have, InvalidModelError where it has none at all.
    """
    has = [name for name in METHODS if callable(getattr(estimator, name, None))]
    if not has:
        raise InvalidModelError(_why_nothing(estimator, file))
    if wanted:
        return [_checked(name.strip(), has, estimator) for name in wanted.split(",")]
    if "predict" not in has:
        return ["transform"] if "transform" in has else has[:1]
    scores = [name for name in has if name in ("predict_proba", "decision_function")]
    return ["predict", *scores[:1]]


def try_methods(estimator: Any, names: Iterable[str], feed: Feed, file: str) -> list[Method]:
    """Call each method on rows of a plausible kind. Raises InvalidModelError where the estimator can't take them."""
    names = list(dict.fromkeys(names))
    failure: Exception = ValueError("nothing to try")
    for rows in feed.samples():
        try:
            return [_method(estimator, name, getattr(estimator, name)(rows)) for name in names]
        except ValueError as error:  # these values may be outside of what it takes
            failure = error
        except Exception as error:
            raise _broken(estimator, file, error) from error
    if type(failure).__name__ == "NotFittedError":
        raise InvalidModelError(
            f"{file} holds a {type(estimator).__name__} that was never fitted: save it after fit()"
        ) from None
    raise InvalidModelError(
        f"{file}: its {type(estimator).__name__} could not be tried on likely rows: {one_line(failure).rstrip('.')}. "
        'Where its columns are not all numbers, say so in modelport.toml: [inputs.NAME] with datatype = "BYTES"'
    ) from None


def _in_shape(array: Array, spec: TensorSpec) -> Array:
    """CatBoost gives classes in a column."""
    return array[:, 0] if spec.shape == (-1,) and array.ndim == 2 else array


def _broken(estimator: Any, file: str, error: Exception) -> InvalidModelError:
    first = getattr(estimator, "steps", [("", estimator)])[0][1]
    if type(first).__name__ in _TAKE_DICTS:
        return InvalidModelError(
            f"{file} begins with a {type(first).__name__}, which takes a dict for each row: tensors can't carry that. "
            "Fit it on a DataFrame, with a ColumnTransformer and encoders for its columns"
        )
    return InvalidModelError(
        f"{file}: its {type(estimator).__name__} does not work with the versions that are installed: "
        f"{type(error).__name__}: {one_line(error)}"
    )


def _method(estimator: Any, name: str, result: Any) -> Method:
    arrays = _arrays(result)
    classes = _classes(estimator, len(arrays) if isinstance(result, list) else 0)
    specs = []
    for place, given in enumerate(arrays):
        array = given
        output = _output_name(name, array, classes)
        numbered = f"{output}_{place}" if isinstance(result, list) else output
        array = array[:, 0] if output == "label" and array.shape[1:] == (1,) else array
        known = classes[place] if place < len(classes) else None
        shape = (-1, *array.shape[1:])
        specs.append(TensorSpec(numbered, datatype_of_result(array), shape, _meaning(output, array, known)))
    return Method(name, tuple(specs))


def datatype_of_result(array: Array) -> str:
    """BYTES for whatever is neither a number nor a truth value."""
    return BYTES if array.dtype.kind in "OSU" else datatype_of(array)


def _output_name(method: str, array: Array, classes: list[Any]) -> str:
    if method == "predict" and not classes and array.dtype.kind == "f":
        return NUMBER
    return METHODS[method]


def _classes(estimator: Any, targets: int) -> list[Any]:
    """The classes of each target; empty where it is no classifier."""
    classes = getattr(estimator, "classes_", None)
    if classes is None or not len(classes):
        return []
    several = isinstance(classes, list) or targets > 1
    return [np.asarray(item) for item in classes] if several else [np.asarray(classes)]


def _meaning(output: str, array: Array, classes: Any) -> Meaning | None:
    if output == NUMBER:
        return Quantity()
    texts = () if classes is None or classes.ndim != 1 else tuple(map(str, classes.tolist()))
    if output == "label":
        return Labels(texts if array.dtype.kind in "OSU" else ()) if array.ndim == 1 else None
    if output in ("probabilities", "decision") and array.ndim == 2:
        return Probabilities(texts if len(texts) == array.shape[1] else ())
    return None


def _arrays(result: Any) -> list[Array]:
    if isinstance(result, list) and result and hasattr(result[0], "shape"):
        return [_dense(item) for item in result]
    return [_dense(result)]


def _dense(value: Any) -> Array:
    if hasattr(value, "toarray"):
        size = int(np.prod(value.shape)) * value.dtype.itemsize
        if size > DENSE_BYTES:
            raise TooLargeError(
                f"the model's answer is a sparse matrix of {list(value.shape)}, {size >> 20} MiB when written out; "
                f"at most {DENSE_BYTES >> 20} MiB are: send fewer rows"
            )
        value = value.toarray()
    array: Array = np.asarray(value)
    return array


def _checked(name: str, has: list[str], estimator: Any) -> str:
    if name not in has:
        raise InvalidInputError(
            f"option 'methods' names {name!r}{did_you_mean(name, has)}; this {type(estimator).__name__} has "
            + ", ".join(map(repr, has))
        )
    return name


def _why_nothing(estimator: Any, file: str) -> str:
    kind = type(estimator)
    if hasattr(estimator, "fit_predict"):
        return (
            f"{file} holds a {kind.__name__}, which tells clusters only of the rows that it is fitted on and has no "
            "predict for others: train a classifier on its labels, or use KMeans or Birch"
        )
    what = kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"
    inside = ""
    if isinstance(estimator, dict):
        inside = f" with the keys {', '.join(repr(key) for key in list(estimator)[:8])}"
    elif isinstance(estimator, list | tuple):
        inside = f" of {', '.join(type(item).__name__ for item in list(estimator)[:8])}"
    return (
        f"{file} holds a {what}{inside}, which is no estimator that predicts: it has neither predict nor transform. "
        "Save the estimator itself (a Pipeline, where there are several steps)"
    )
