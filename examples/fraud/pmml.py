"""Writes a fitted pipeline (scaled numbers and categories, then a logistic regression or an SVM) as a PMML document."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from xml.sax.saxutils import quoteattr

from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline

HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n<PMML xmlns="http://www.dmg.org/PMML-4_4" version="4.4">'
TARGET = "fraud"


def document(model: Pipeline, numbers: list[str], categories: list[str]) -> str:
    """The document. The pipeline's first step scales `numbers` and encodes `categories`, in this order."""
    columns, last = model[0], model[-1]
    scaler, encoder = columns.transformers_[0][1], columns.transformers_[1][1]
    values = dict(zip(categories, encoder.categories_, strict=True))
    fields = [_element("DataField", name=name, optype="continuous", dataType="double") for name in numbers]
    fields += [_field(name, named) for name, named in {**values, TARGET: last.classes_}.items()]
    derived = [_scaled(*item) for item in zip(numbers, scaler.mean_, scaler.scale_, strict=True)]
    derived += [_indicator(name, value) for name, named in values.items() for value in named]
    names = [f"scaled_{name}" for name in numbers]
    names += [f"{name}_{value}" for name, named in values.items() for value in named]
    schema = _element(
        "MiningSchema",
        *[_element("MiningField", name=name) for name in [*numbers, *categories]],
        _element("MiningField", name=TARGET, usageType="target"),
    )
    write = _logistic if isinstance(last, LogisticRegression) else _machine
    dictionary, steps = _element("DataDictionary", *fields), _element("TransformationDictionary", *derived)
    header = _element("Header", description="Is a card payment fraud?")
    return f"{HEAD}{header}{dictionary}{steps}{write(last, schema, names)}</PMML>\n"


def _logistic(last: Any, schema: str, names: list[str]) -> str:
    """The regression tells the second class from the first, whose own table is all zeros."""
    first, second = last.classes_
    factors = [
        _element("NumericPredictor", name=name, coefficient=weight)
        for name, weight in zip(names, last.coef_[0], strict=True)
    ]
    return _element(
        "RegressionModel",
        schema,
        _element("RegressionTable", intercept=0.0, targetCategory=first),
        _element("RegressionTable", *factors, intercept=last.intercept_[0], targetCategory=second),
        functionName="classification",
        normalizationMethod="softmax",
    )


def _machine(last: Any, schema: str, names: list[str]) -> str:
    """An SVC with an RBF kernel. PMML takes the class where the sum is below 0, scikit-learn where it is above."""
    first, second = last.classes_
    vectors = [
        _element("VectorInstance", _element("REAL-SparseArray", *_sparse(row), n=len(names)), id=place)
        for place, row in enumerate(last.support_vectors_)
    ]
    support = [_element("SupportVector", vectorId=place) for place in range(len(vectors))]
    weights = [_element("Coefficient", value=-weight) for weight in last.dual_coef_[0]]
    return _element(
        "SupportVectorMachineModel",
        schema,
        _element("RadialBasisKernelType", gamma=last.gamma),
        _element(
            "VectorDictionary",
            _element("VectorFields", *[_element("FieldRef", field=name) for name in names]),
            *vectors,
            numberOfVectors=len(vectors),
        ),
        _element(
            "SupportVectorMachine",
            _element("SupportVectors", *support, numberOfAttributes=len(names), numberOfSupportVectors=len(support)),
            _element("Coefficients", *weights, absoluteValue=-last.intercept_[0], numberOfCoefficients=len(weights)),
            targetCategory=second,
            alternateTargetCategory=first,
        ),
        functionName="classification",
        svmRepresentation="SupportVectors",
    )


def _sparse(row: Iterable[float]) -> list[str]:
    """The places (from 1 on) and the values that are not zero."""
    used = [(place, value) for place, value in enumerate(row, 1) if value]
    places, values = " ".join(str(place) for place, _ in used), " ".join(_text(value) for _, value in used)
    return [f"<Indices>{places}</Indices>", f"<REAL-Entries>{values}</REAL-Entries>"]


def _field(name: str, values: Iterable[str]) -> str:
    named = [_element("Value", value=value) for value in values]
    return _element("DataField", *named, name=name, optype="categorical", dataType="string")


def _scaled(name: str, mean: float, scale: float) -> str:
    """(x − mean) ÷ scale, as two points of a straight line."""
    points = [_element("LinearNorm", orig=mean, norm=0.0), _element("LinearNorm", orig=mean + scale, norm=1.0)]
    return _derived(f"scaled_{name}", _element("NormContinuous", *points, field=name))


def _indicator(name: str, value: str) -> str:
    return _derived(f"{name}_{value}", _element("NormDiscrete", field=name, value=value))


def _derived(name: str, how: str) -> str:
    return _element("DerivedField", how, name=name, optype="continuous", dataType="double")


def _element(tag: str, /, *children: str, **attributes: Any) -> str:
    written = "".join(f" {key}={quoteattr(_text(value))}" for key, value in attributes.items())
    return f"<{tag}{written}>{''.join(children)}</{tag}>"


def _text(value: Any) -> str:
    """A number with all its digits, or a text."""
    return repr(float(value)) if isinstance(value, float) else str(value)
