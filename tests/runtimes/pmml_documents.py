"""PMML documents of models that scikit-learn trains on its bundled data, written element by element."""

from __future__ import annotations

from xml.sax.saxutils import quoteattr

import numpy as np

HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n<PMML xmlns="http://www.dmg.org/PMML-4_4" version="4.4"><Header/>'


def element(tag, /, *children, **attributes):
    """An element; attributes are written as they are, numbers with all their digits."""
    written = "".join(f" {key}={quoteattr(text(value))}" for key, value in attributes.items())
    return f"<{tag}{written}>{''.join(children)}</{tag}>" if children else f"<{tag}{written}/>"


def text(value):
    return repr(float(value)) if isinstance(value, float | np.floating) else str(value)


def document(fields, target, model, *, transformations=""):
    """A whole document. `fields` are the inputs (name: categories, or () for a number), `target` name: classes."""
    listed = "".join(_field(name, values) for name, values in {**fields, **target}.items())
    return f"{HEAD}{element('DataDictionary', listed)}{transformations}{model}</PMML>"


def _field(name, values):
    if not values:
        return element("DataField", name=name, optype="continuous", dataType="double")
    named = [element("Value", value=value) for value in values]
    return element("DataField", *named, name=name, optype="categorical", dataType="string")


def schema(fields, target, **treatments):
    """A MiningSchema; `treatments` are more attributes of a field's."""
    active = [element("MiningField", name=name, **treatments.get(name, {})) for name in fields]
    wanted = [element("MiningField", name=name, usageType="target") for name in target]
    return element("MiningSchema", *active, *wanted)


def tree(estimator, fields, target, classes):
    """A TreeModel of a fitted decision tree; scikit-learn compares what it was given as FP32."""
    inner = estimator.tree_
    names = list(fields)

    def node(at, predicate):
        score = inner.value[at][0]
        shares = score / score.sum() if classes else ()
        counts = [
            element("ScoreDistribution", value=name, recordCount=float(share), confidence=float(share))
            for name, share in zip(classes, shares, strict=True)
        ]
        said = classes[int(np.argmax(score))] if classes else float(score[0])
        left, right = inner.children_left[at], inner.children_right[at]
        below = []
        if left >= 0:
            at_most = {"field": names[inner.feature[at]], "value": float(inner.threshold[at])}
            below = [
                node(left, element("SimplePredicate", operator="lessOrEqual", **at_most)),
                node(right, element("SimplePredicate", operator="greaterThan", **at_most)),
            ]
        return element("Node", predicate, *(counts if left < 0 else ()), *below, score=said)

    kind = "classification" if classes else "regression"
    return element(
        "TreeModel",
        schema(fields, target),
        node(0, element("True")),
        functionName=kind,
        splitCharacteristic="binarySplit",
    )


def forest(estimator, fields, target, classes):
    """A MiningModel that averages trees."""
    segments = [
        element("Segment", element("True"), tree(one, fields, target, classes), id=place)
        for place, one in enumerate(estimator.estimators_)
    ]
    kind = "classification" if classes else "regression"
    return element(
        "MiningModel",
        schema(fields, target),
        element("Segmentation", *segments, multipleModelMethod="average"),
        functionName=kind,
    )


def _table(intercept, weights, fields, **attributes):
    factors = [
        element("NumericPredictor", name=name, coefficient=float(weight))
        for name, weight in zip(fields, weights, strict=True)
    ]
    return element("RegressionTable", *factors, intercept=float(intercept), **attributes)


def regression(estimator, fields, target, output="", **treatments):
    """A RegressionModel of a linear regression."""
    table = _table(estimator.intercept_, estimator.coef_, fields)
    return element("RegressionModel", schema(fields, target, **treatments), output, table, functionName="regression")


def logistic(estimator, fields, target, classes, output=""):
    """A RegressionModel of a logistic regression with softmax over its classes."""
    tables = [
        _table(intercept, weights, fields, targetCategory=name)
        for intercept, weights, name in zip(estimator.intercept_, estimator.coef_, classes, strict=True)
    ]
    return element(
        "RegressionModel",
        schema(fields, target),
        output,
        *tables,
        functionName="classification",
        normalizationMethod="softmax",
    )


def vectors(estimator, fields, target):
    """A SupportVectorMachineModel of a fitted SVR with an RBF kernel."""
    rows = [
        element(
            "VectorInstance",
            element(
                "REAL-SparseArray",
                _listed("Indices", range(1, len(fields) + 1)),
                _listed("REAL-Entries", row),
                n=len(fields),
            ),
            id=place,
        )
        for place, row in enumerate(estimator.support_vectors_)
    ]
    named = [element("FieldRef", field=name) for name in fields]
    machine = element(
        "SupportVectorMachine",
        element(
            "SupportVectors",
            *[element("SupportVector", vectorId=place) for place in range(len(rows))],
            numberOfAttributes=len(fields),
            numberOfSupportVectors=len(rows),
        ),
        element(
            "Coefficients",
            *[element("Coefficient", value=float(weight)) for weight in estimator.dual_coef_[0]],
            absoluteValue=float(estimator.intercept_[0]),
        ),
    )
    return element(
        "SupportVectorMachineModel",
        schema(fields, target),
        element("RadialBasisKernelType", gamma=float(estimator._gamma)),
        element("VectorDictionary", element("VectorFields", *named), *rows, numberOfVectors=len(rows)),
        machine,
        functionName="regression",
        svmRepresentation="SupportVectors",
    )


def _listed(name, values):
    return f"<{name}>{' '.join(text(value) for value in values)}</{name}>"


def network(estimator, fields, target):
    """A NeuralNetwork of a fitted MLPRegressor with one hidden layer of tanh."""
    inputs = [
        element(
            "NeuralInput",
            element("DerivedField", element("FieldRef", field=name), optype="continuous", dataType="double"),
            id=f"0,{place}",
        )
        for place, name in enumerate(fields)
    ]
    layers = []
    for depth, (weights, biases) in enumerate(zip(estimator.coefs_, estimator.intercepts_, strict=True), 1):
        neurons = [
            element(
                "Neuron",
                *[
                    element("Con", **{"from": f"{depth - 1},{at}", "weight": float(weight)})
                    for at, weight in enumerate(column)
                ],
                id=f"{depth},{place}",
                bias=float(bias),
            )
            for place, (column, bias) in enumerate(zip(weights.T, biases, strict=True))
        ]
        shape = "tanh" if depth < len(estimator.coefs_) else "identity"
        layers.append(element("NeuralLayer", *neurons, activationFunction=shape))
    name = next(iter(target))
    last = element(
        "NeuralOutput",
        element("DerivedField", element("FieldRef", field=name), optype="continuous", dataType="double"),
        outputNeuron=f"{len(layers)},0",
    )
    return element(
        "NeuralNetwork",
        schema(fields, target),
        element("NeuralInputs", *inputs),
        *layers,
        element("NeuralOutputs", last),
        functionName="regression",
        activationFunction="tanh",
    )


APPLICANT = {"age": (), "job": ("clerk", "smith")}
LOG_AGE = element(
    "TransformationDictionary",
    element(
        "DerivedField",
        element("Apply", element("FieldRef", field="age"), function="ln"),
        name="log_age",
        optype="continuous",
        dataType="double",
    ),
)


def applicant(invalid=""):
    """A regression with a derived field, a category, and a replacement for a missing age."""
    treatments = {"age": {"missingValueReplacement": 20}, "job": {"invalidValueTreatment": invalid} if invalid else {}}
    table = element(
        "RegressionTable",
        element("NumericPredictor", name="log_age", coefficient=2),
        element("CategoricalPredictor", name="job", value="smith", coefficient=10),
        intercept=1,
    )
    target = {"risk": ()}
    model = element("RegressionModel", schema(APPLICANT, target, **treatments), table, functionName="regression")
    return document(APPLICANT, target, model, transformations=LOG_AGE)
