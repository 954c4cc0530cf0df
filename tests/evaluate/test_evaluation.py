"""Whole evaluations of real ONNX models on real data: figures, names of classes, comparisons, documents."""

import json
from dataclasses import replace

import numpy as np
import onnxruntime as ort
import pytest
from sklearn import metrics

from evaluate.iris_data import IRIS, SPECIES, subject_of, write_csv
from modelport.core.datatypes import bytes_array
from modelport.core.errors import InvalidInputError, ModelFailedError, UnsupportedError
from modelport.core.meaning import Labels, Probabilities
from modelport.core.signature import Signature, TensorSpec
from modelport.evaluate.answers import reading_of
from modelport.evaluate.data.columns import Asked
from modelport.evaluate.data.opening import open_data
from modelport.evaluate.evaluation import Options, evaluate
from modelport.evaluate.results import evaluation_from_json
from modelport.evaluate.subject import Subject

QUICK = Options(resamples=20)


def evaluated(subject, path, other=None, options=QUICK, **asked):
    return evaluate(subject, open_data(path, subject.signature, Asked(**asked)), other, options)


@pytest.fixture(scope="module")
def numbers_csv(places, iris_rows, tmp_path_factory):
    """The iris data with numbers as classes."""
    rows, species = iris_rows
    table = [[*row, SPECIES.index(name)] for row, name in zip(rows, species, strict=True)]
    return write_csv(tmp_path_factory.mktemp("numbers") / "iris.csv", [*IRIS, "y"], table)


@pytest.fixture(scope="module")
def direct(places, iris_rows):
    """What ONNX Runtime and scikit-learn say about the same model."""
    session = ort.InferenceSession(places.iris)
    names, scores = session.run(["label", "probabilities"], {"X": iris_rows[0].astype(np.float32)})
    return names, scores.astype(np.float64)


@pytest.mark.parametrize("batch", [1, 7, 256])
def test_the_figures_are_those_of_onnx_runtime_and_scikit_learn(batch, named, places, iris_rows, direct):
    made = evaluated(named, places.folder / "iris.csv", options=replace(QUICK, batch=batch), slices=("site",))
    names, scores = direct
    truth = iris_rows[1]
    figures = made.measured.metrics
    assert figures["accuracy"].value == pytest.approx(metrics.accuracy_score(truth, names))
    assert figures["f1"].value == pytest.approx(metrics.f1_score(truth, names, average="macro"))
    area = metrics.roc_auc_score(truth, scores, multi_class="ovr", labels=SPECIES)
    assert figures["roc_auc"].value == pytest.approx(area)
    assert made.measured.details.classes == SPECIES
    np.testing.assert_array_equal(made.measured.details.confusion, metrics.confusion_matrix(truth, names))
    north = np.arange(150) % 3 == 0
    [slice_north] = [item for item in made.measured.slices if item.value == "north"]
    assert slice_north.rows == 50
    assert slice_north.metrics["accuracy"] == pytest.approx(metrics.accuracy_score(truth[north], names[north]))
    assert (made.data.rows, made.data.label, made.task) == (150, "label", "classification")


def test_a_regression(places, tmp_path):
    from sklearn.datasets import load_diabetes

    rows, truth = load_diabetes(return_X_y=True)
    path = write_csv(
        tmp_path / "d.csv", [*"abcdefghij", "target"], [[*row, y] for row, y in zip(rows, truth, strict=True)]
    )
    made = evaluated(subject_of(places.diabetes), path)
    [answers] = ort.InferenceSession(places.diabetes).run(None, {"X": rows.astype(np.float32)})
    assert made.task == "regression"
    assert made.measured.metrics["r2"].value == pytest.approx(metrics.r2_score(truth, answers[:, 0]), rel=1e-6)
    assert sum(made.measured.details.histogram) == 442
    assert made.measured.details.confusion == ()


def test_numbers_stand_for_places_in_the_models_classes(iris, numbers_csv, places):
    made = evaluated(iris, numbers_csv)
    wanted = evaluated(iris, places.folder / "iris.csv", ignored=("site",))
    assert made.measured.metrics == wanted.measured.metrics
    assert "setosa, versicolor, virginica" in made.notes[0]
    assert wanted.notes == ()


def test_models_that_call_their_classes_otherwise_are_compared(iris, numbers_csv, places):
    forest = subject_of(places.forest)
    one = evaluated(iris, numbers_csv, forest)
    two = evaluated(forest, numbers_csv, iris)
    assert one.measured.metrics["accuracy"].value == two.comparison.other.metrics["accuracy"].value
    assert one.comparison.other.metrics["accuracy"].value == pytest.approx(149 / 150)
    assert one.measured.details.classes == SPECIES
    assert two.measured.details.classes == ("0", "1", "2")
    difference = one.comparison.differences["accuracy"].value
    assert difference == pytest.approx(-two.comparison.differences["accuracy"].value)
    assert difference == pytest.approx((146 - 149) / 150)
    assert one.comparison.disagreement.value == two.comparison.disagreement.value > 0
    test = one.comparison.mcnemar
    assert test.only_this - test.only_other == 146 - 149


def test_a_model_beside_itself_does_not_disagree(iris, places):
    made = evaluated(iris, places.folder / "iris.csv", iris, ignored=("site",))
    assert made.comparison.disagreement.value == 0
    assert made.comparison.mcnemar.p_value == 1
    assert made.comparison.incompatibilities == ()
    assert {metric.value for metric in made.comparison.differences.values()} == {0}


def test_classes_that_the_model_does_not_know(iris, tmp_path, iris_rows):
    rows, species = iris_rows
    table = [
        [*row, "reticulata" if at % 10 == 0 else name] for at, (row, name) in enumerate(zip(rows, species, strict=True))
    ]
    made = evaluated(iris, write_csv(tmp_path / "i.csv", [*IRIS, "label"], table))
    assert made.notes == ("the data has classes that the model does not know: reticulata",)
    assert made.measured.metrics["recall.reticulata"].value == 0
    assert made.measured.details.classes == (*SPECIES, "reticulata")
    strange = write_csv(tmp_path / "s.csv", [*IRIS, "label"], [[1, 2, 3, 4, "rose"]])
    with pytest.raises(InvalidInputError, match=r"none of the data's classes \(rose\) is one of the model's \(setosa"):
        evaluated(iris, strange)


def test_one_class_only(iris, tmp_path, iris_rows):
    table = [[*row, "setosa"] for row in iris_rows[0][:20]]
    made = evaluated(iris, write_csv(tmp_path / "one.csv", [*IRIS, "label"], table))
    assert made.measured.metrics["accuracy"].value == 1
    assert made.measured.metrics["roc_auc"].value is None
    assert made.measured.details.roc == {}


def test_texts(places, tmp_path):
    path = write_csv(
        tmp_path / "t.csv", ["text", "mood"], [["good nice", "good"], ["awful bad", "bad"], ["poor", "good"]]
    )
    made = evaluated(subject_of(places.text), path)
    assert made.measured.metrics["accuracy"].value == pytest.approx(2 / 3)


def test_it_is_the_same_after_json_and_back(iris, places, numbers_csv):
    made = evaluated(iris, numbers_csv, subject_of(places.forest))
    assert evaluation_from_json(made.to_json()) == made
    document = json.loads(made.to_json())
    with pytest.raises(InvalidInputError, match="has form 99"):
        evaluation_from_json(json.dumps({**document, "form": 99}))
    for wrong in ("{}", "nonsense", json.dumps({**document, "task": "ranking"})):
        with pytest.raises(InvalidInputError, match="is not an evaluation"):
            evaluation_from_json(wrong)


def test_it_says_what_when_and_by_whom(iris, places):
    made = evaluated(
        iris,
        places.folder / "iris.csv",
        options=replace(QUICK, by="ada", data_digest="d1", seed=4),
        ignored=("site",),
    )
    assert (made.by, made.data.digest, made.seed, made.resamples) == ("ada", "d1", 4, 20)
    assert made.time.endswith("+00:00")
    assert made.signature["inputs"][0]["name"] == "X"
    assert made.measured.model.size == places.iris.stat().st_size
    assert made.measured.speed.calls > 0
    assert 0 < made.measured.speed.p50_ms <= made.measured.speed.p95_ms <= made.measured.speed.p99_ms
    assert made.measured.speed.rows_per_s > 0


def test_slices_by_a_column_with_too_many_values(named, tmp_path):
    rows = [[1, 2, 3, 4, f"v{at}", "setosa"] for at in range(120)]
    path = write_csv(tmp_path / "many.csv", [*IRIS, "id", "label"], rows)
    with pytest.raises(InvalidInputError, match="'id' has more than 100 values"):
        evaluated(named, path, slices=("id",))


def test_numbers_that_are_taken_for_classes(places, tmp_path):
    rows = [[1, 2, 3, 4, at + 0.5] for at in range(1200)]
    path = write_csv(tmp_path / "n.csv", [*IRIS, "y"], rows)
    with pytest.raises(InvalidInputError, match="say --task regression"):
        evaluated(subject_of(places.iris), path)


def test_a_label_that_is_no_number_in_a_regression(places, tmp_path):
    path = write_csv(tmp_path / "d.csv", [*"abcdefghij", "target"], [[*range(10), 1], [*range(10), "high"]])
    with pytest.raises(InvalidInputError, match=r"d\.csv, row 2: the label 'high' is no number"):
        evaluated(subject_of(places.diabetes), path)


def test_a_model_that_takes_one_row(iris, numbers_csv):
    """One that was exported for a single row is asked row by row."""
    single = Signature(
        (replace(iris.signature.inputs[0], shape=(1, 4)),),
        tuple(replace(spec, shape=(1, *spec.shape[1:])) for spec in iris.signature.outputs),
    )
    asked = []

    def predict(inputs):
        asked.append(inputs["X"].shape)
        return iris.predict(inputs)

    made = evaluated(replace(iris, signature=single, predict=predict), numbers_csv)
    assert made.measured.metrics["accuracy"].value == pytest.approx(146 / 150)
    assert set(asked) == {(1, 4)}


def test_a_model_that_gives_another_count_of_rows(iris, numbers_csv):
    def predict(inputs):
        return {name: array[:1] for name, array in iris.predict(inputs).items()}

    with pytest.raises(ModelFailedError, match=r"the model gave \[1\] as output 'label' for 150 rows"):
        evaluated(replace(iris, predict=predict), numbers_csv)


def answering(outputs, give):
    signature = Signature((TensorSpec("X", "FP32", (-1, 4)),), outputs)
    return Subject("made", signature, lambda inputs: give(inputs["X"]))


def test_one_score_is_the_probability_of_the_second_class(tmp_path):
    def give(rows):
        return {"p": rows[:, :1] / 10}

    rows = [[0, 0, 0, 0, "no"], [9, 0, 0, 0, "yes"], [8, 0, 0, 0, "no"], [7, 0, 0, 0, "yes"]]
    path = write_csv(tmp_path / "p.csv", [*IRIS, "y"], rows)
    spec = TensorSpec("p", "FP32", (-1, 1), Probabilities(("no", "yes")))
    made = evaluated(answering((spec,), give), path)
    truth, scores = [0, 1, 0, 1], [0, 0.9, 0.8, 0.7]
    assert made.measured.metrics["roc_auc"].value == pytest.approx(metrics.roc_auc_score(truth, scores))
    assert made.measured.metrics["brier"].value == pytest.approx(metrics.brier_score_loss(truth, scores))
    assert made.measured.metrics["accuracy"].value == 0.75


def test_labels_as_texts_as_places_and_as_themselves(tmp_path):
    path = write_csv(tmp_path / "p.csv", [*IRIS, "y"], [[0, 0, 0, 0, "True"], [1, 0, 0, 0, "false"]])
    flags = answering((TensorSpec("l", "BOOL", (-1,), Labels()),), lambda rows: {"l": rows[:, 0] == 0})
    assert evaluated(flags, path).measured.metrics["accuracy"].value == 1
    places = answering(
        (TensorSpec("l", "INT64", (-1,), Labels(("true", "false"))),), lambda rows: {"l": rows[:, 0].astype(np.int64)}
    )
    assert evaluated(places, path).measured.metrics["accuracy"].value == 1
    texts = answering(
        (TensorSpec("l", "BYTES", (-1, 1)),),
        lambda rows: {"l": bytes_array(np.where(rows[:, :1] == 0, "true", "false"))},
    )
    assert evaluated(texts, path).measured.metrics["accuracy"].value == 1


def test_a_regression_that_gives_no_numbers(tmp_path):
    path = write_csv(tmp_path / "p.csv", [*IRIS, "y"], [[0, 0, 0, 0, 1], [1, 0, 0, 0, 2]])
    made = evaluated(answering((TensorSpec("v", "FP32", (-1,)),), lambda rows: {"v": rows[:, 0] * np.nan}), path)
    assert made.measured.metrics["mse"].value is None
    assert made.notes == ("made gave no finite number for 2 rows, so its metrics are undefined",)


def test_which_outputs_are_read():
    label, scores = TensorSpec("l", "INT64", (-1,)), TensorSpec("s", "FP32", (-1, 3))
    value, many = TensorSpec("v", "FP32", (-1, 1)), TensorSpec("m", "FP32", (-1, 2, 2))
    signature = Signature((), (many, value, scores, label))
    assert reading_of(signature).outputs == ("l", "s")
    assert reading_of(signature, "regression").outputs == ("v",)
    assert reading_of(signature, output="s").outputs == ("s",)
    assert reading_of(Signature((), (value,))).task == "regression"
    assert reading_of(Signature((), (value,)), "classification").outputs == ("v",)
    assert reading_of(Signature((), (label,)), "regression").outputs == ("l",)
    with pytest.raises(UnsupportedError, match="none of the model's outputs answers a regression: it gives m FP32"):
        reading_of(Signature((), (many,)))
    with pytest.raises(InvalidInputError, match="unknown output"):
        reading_of(signature, output="x")
