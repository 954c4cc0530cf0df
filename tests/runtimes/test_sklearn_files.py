"""What scikit-learn's runtimes say about files, versions, options and requests that they can't take."""

import io
import logging
import pickle
import subprocess
import sys
import zipfile

import numpy as np
import pytest

pytest.importorskip("sklearn")
joblib = pytest.importorskip("joblib")
pd = pytest.importorskip("pandas")

import sklearn  # noqa: E402
from sklearn.base import BaseEstimator  # noqa: E402
from sklearn.cluster import DBSCAN  # noqa: E402
from sklearn.feature_extraction.text import TfidfVectorizer  # noqa: E402
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.preprocessing import OneHotEncoder  # noqa: E402

from modelport.core.declared import DeclaredTensor  # noqa: E402
from modelport.core.errors import ForbiddenError, InvalidInputError, InvalidModelError, TooLargeError  # noqa: E402
from modelport.core.meaning import Column, Labels, Probabilities, Quantity, Tabular, Text  # noqa: E402
from modelport.core.runtime import LoadSpec  # noqa: E402
from modelport.runtimes.catalog import detect  # noqa: E402
from modelport.runtimes.sklearn import outputs as sklearn_outputs  # noqa: E402
from modelport.runtimes.sklearn.runtime import PickleRuntime  # noqa: E402
from modelport.runtimes.sklearn.version import difference, version_in_pickle, version_in_skops  # noqa: E402
from runtimes.sklearn_models import IRIS, MODELS, people, texts  # noqa: E402


@pytest.fixture
def load(tmp_path):
    """Pickles an object and loads it: `load(object, methods="predict")`."""

    def load(made, inputs=(), **options):
        path = tmp_path / "model.pkl"
        path.write_bytes(pickle.dumps(made))
        return PickleRuntime().load(path, LoadSpec(threads=1, options=options, inputs=inputs))

    return load


def shapes(specs):
    return {spec.name: (spec.datatype, spec.shape) for spec in specs}


def test_the_signature_of_a_classifier(load):
    signature = load(MODELS["classifier_of_texts"]().estimator).signature
    assert shapes(signature.inputs) == {"X": ("FP64", (-1, 4))}
    assert signature.inputs[0].meaning == Tabular(tuple(Column(name) for name in IRIS.feature_names))
    assert shapes(signature.outputs) == {"label": ("BYTES", (-1,)), "probabilities": ("FP64", (-1, 3))}
    names = tuple(IRIS.target_names)
    assert [spec.meaning for spec in signature.outputs] == [Labels(names), Probabilities(names)]


def test_the_signature_of_mixed_columns(load):
    signature = load(MODELS["mixed_columns"]().estimator).signature
    assert {spec.name: spec.meaning for spec in signature.inputs} == {
        "age": None,
        "city": Tabular((Column("city", categories=("Bergen", "Oslo", "Tromsø")),)),
        "plan": Tabular((Column("plan", categories=("free", "paid")),)),
        "note": Text(),
    }
    assert [spec.datatype for spec in signature.inputs] == ["FP64", "BYTES", "BYTES", "BYTES"]


def test_the_signatures_of_numbers(load):
    single = load(MODELS["regression_of_two_targets_in_single_precision"]().estimator).signature
    assert shapes(single.inputs) == {"X": ("FP32", (-1, 10))}
    assert shapes(single.outputs) == {"y": ("FP32", (-1, 2))}
    assert single.outputs[0].meaning == Quantity()
    several = load(MODELS["several_targets"]().estimator).signature
    assert shapes(several.outputs) == {
        "label": ("INT64", (-1, 2)),
        "probabilities_0": ("FP64", (-1, 2)),
        "probabilities_1": ("FP64", (-1, 3)),
    }
    assert several.outputs[2].meaning == Probabilities(("0", "1", "2"))


def test_what_it_says_about_itself(load):
    info = load(MODELS["classifier_of_texts"]().estimator).info
    assert (info.format, info.platform) == ("pickle", "sklearn_pickle")
    assert info.framework == f"scikit-learn {sklearn.__version__}"
    assert info.properties == {
        "estimator": "StandardScaler → LogisticRegression",
        "parameters": "15",
        "sklearn_version": sklearn.__version__,
    }


@pytest.mark.parametrize(
    ("made", "says"),
    [
        (
            {"model": 1, "scaler": 2},
            r"holds a dict with the keys 'model', 'scaler', which is no estimator that",
        ),
        ([1, "two"], r"holds a list of int, str, which is no estimator"),
        (np.ones(3), r"holds a numpy.ndarray, which is no estimator.*Save the estimator itself"),
        (DBSCAN(), r"holds a DBSCAN, which tells clusters only of the rows that it is fitted on"),
        (LogisticRegression(), r"holds a LogisticRegression that was never fitted"),
    ],
)
def test_objects_that_can_not_be_served(load, made, says):
    with pytest.raises(InvalidModelError, match=f"model.pkl {says}"):
        load(made)


def test_methods(load):
    made = MODELS["classifier_of_texts"]().estimator
    loaded = load(made, methods="decision_function, predict_log_proba")
    rows = pd.DataFrame(IRIS.data[:2], columns=IRIS.feature_names)
    given = loaded.predict({"X": IRIS.data[:2].copy()})
    assert list(given) == ["decision", "log_probabilities"]
    assert given["decision"].tolist() == made.decision_function(rows).tolist()
    assert given["log_probabilities"].tolist() == made.predict_log_proba(rows).tolist()
    with pytest.raises(InvalidInputError, match=r"'methods' names 'predikt' \(did you mean 'predict'\?\).*'predict_pr"):
        load(made, methods="predikt")
    with pytest.raises(InvalidInputError, match=r"unknown option 'method' \(did you mean 'methods'\?\)"):
        load(made, method="predict")


def test_only_the_methods_asked_for_are_called(load, monkeypatch):
    loaded = load(LogisticRegression(max_iter=500).fit(IRIS.data, IRIS.target))
    monkeypatch.setattr(LogisticRegression, "predict_proba", None)
    assert list(loaded.predict({"X": IRIS.data[:2].copy()}, ("label",))) == ["label"]


def test_a_device_that_it_does_not_have(tmp_path):
    with pytest.raises(InvalidInputError, match="device 'cuda' can't be used: scikit-learn models run on 'cpu'"):
        PickleRuntime().load(tmp_path / "m.pkl", LoadSpec(device="cuda"))


def test_values_that_are_refused(load):
    loaded = load(LinearRegression().fit(IRIS.data, IRIS.target))
    with pytest.raises(InvalidInputError, match="the model refused the input: Input X contains NaN"):
        loaded.predict({"X": np.full((1, 4), np.nan)})
    mixed = load(MODELS["mixed_columns"]().estimator)
    fitting = dict(MODELS["mixed_columns"]().inputs)
    with pytest.raises(InvalidInputError, match="unknown categories"):
        mixed.predict({**fitting, "city": texts(["Oslo", "Oslo", "Rome"])})
    with pytest.raises(InvalidInputError, match="element 1 of 'note' is not UTF-8"):
        mixed.predict({**fitting, "note": np.array([b"a", b"\xff", b"b"], object)})


class Fails(BaseEstimator):
    """Works on two rows, as it is tried; not on three."""

    def predict(self, rows):
        if len(rows) == 3:
            raise RuntimeError("no\n  memory")
        return np.zeros(len(rows))


def test_a_model_that_fails(tmp_path):
    from modelport.core.errors import ModelFailedError
    from modelport.runtimes.sklearn.runtime import sklearn_model

    made = Fails()
    made.n_features_in_ = 2
    loaded = sklearn_model(made, LoadSpec(), "m.pkl", "pickle", None)
    with pytest.raises(ModelFailedError, match="the model failed: no memory"):
        loaded.predict({"X": np.zeros((3, 2))})


def test_sparse_answers_are_written_out_up_to_a_limit(load, monkeypatch):
    loaded = load(TfidfVectorizer().fit(["one two", "two three three"]))
    assert loaded.predict({"text": texts(["two"] * 9)})["transformed"].shape == (9, 3)
    monkeypatch.setattr(sklearn_outputs, "DENSE_BYTES", 9 * 3 * 8 - 1)
    with pytest.raises(TooLargeError, match=r"a sparse matrix of \[9, 3\].*send fewer rows"):
        loaded.predict({"text": texts(["two"] * 9)})


def test_columns_that_nothing_is_known_of(load):
    """A step that takes a whole DataFrame does not show what its columns hold."""
    frame = people()[["city", "age"]]
    with pytest.raises(InvalidModelError, match=r"could not be tried.*\[inputs.NAME\] with datatype = \"BYTES\""):
        load(make_pipeline(OneHotLengths(), Ridge()).fit(frame, frame.age), allow_globals="*")


class OneHotLengths(BaseEstimator):
    """Takes texts in `city`, and does not say so."""

    def fit(self, frame, y=None):
        self.feature_names_in_ = np.array(frame.columns, object)
        self.fitted_ = True
        return self

    def transform(self, frame):
        if not all(isinstance(city, str) for city in frame.city):
            raise ValueError("cities must be texts")
        return np.column_stack([frame.city.str.len(), frame.age])


def test_a_declared_column_is_taken_as_declared(load):
    frame = people()[["city", "age"]]
    made = make_pipeline(OneHotLengths(), Ridge()).fit(frame, frame.age)
    declared = (DeclaredTensor("city", "BYTES"), DeclaredTensor("age", "INT64"))
    loaded = load(made, declared, allow_globals="*")
    assert shapes(loaded.signature.inputs) == {"city": ("BYTES", (-1,)), "age": ("INT64", (-1,))}
    given = loaded.predict({"city": texts(["Oslo", "Bergen"]), "age": np.array([20, 30])})
    assert given["y"].tolist() == made.predict(pd.DataFrame({"city": ["Oslo", "Bergen"], "age": [20, 30]})).tolist()


def test_an_empty_text_that_is_a_category(load):
    frame = pd.DataFrame({"c": ["", "a", "b"] * 4})
    made = make_pipeline(OneHotEncoder(), LinearRegression()).fit(frame, np.arange(12.0))
    loaded = load(made)
    given = loaded.predict({"c": texts(["", "b"])})
    assert given["y"].tolist() == made.predict(pd.DataFrame({"c": ["", "b"]})).tolist()


def other_version(content: bytes, version: bytes = b"0.9.9") -> bytes:
    own = sklearn.__version__.encode()
    assert len(own) == len(version)
    assert own in content
    return content.replace(own, version)


@pytest.mark.parametrize("protocol", range(6))
def test_the_version_is_read_without_loading(tmp_path, protocol):
    path = tmp_path / "m.pkl"
    path.write_bytes(pickle.dumps(MODELS["classifier_of_texts"]().estimator, protocol))
    assert version_in_pickle(path) == sklearn.__version__


def test_the_version_in_files_of_joblib_and_skops(tmp_path):
    skops = pytest.importorskip("skops.io")
    made = MODELS["classifier_of_texts"]().estimator
    for compress in (0, 3, ("gzip", 3)):
        joblib.dump(made, tmp_path / "m.joblib", compress=compress)
        assert version_in_pickle(tmp_path / "m.joblib") == sklearn.__version__
    skops.dump(made, tmp_path / "m.skops")
    assert version_in_skops(tmp_path / "m.skops") == sklearn.__version__
    (tmp_path / "none.pkl").write_bytes(pickle.dumps({"a": 1}))
    assert version_in_pickle(tmp_path / "none.pkl") is None
    assert version_in_pickle(tmp_path / "nowhere") is None
    assert version_in_skops(tmp_path / "none.pkl") is None


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.InconsistentVersionWarning")
def test_a_difference_of_versions_is_told_before_loading(tmp_path, caplog):
    path = tmp_path / "old.pkl"
    path.write_bytes(other_version(pickle.dumps(MODELS["classifier_of_texts"]().estimator)))
    with caplog.at_level(logging.WARNING):
        loaded = PickleRuntime().load(path, LoadSpec(threads=1))
    assert loaded.info.properties["sklearn_version"] == "0.9.9"
    warning = loaded.info.properties["warning"]
    assert warning.startswith(f"written by scikit-learn 0.9.9, loaded by newer scikit-learn {sklearn.__version__}: ")
    assert caplog.messages == [f"old.pkl: {warning}"]


def test_it_is_told_only_once(tmp_path):
    """A process of its own: here, warnings are errors."""
    path = tmp_path / "old.pkl"
    path.write_bytes(other_version(pickle.dumps(MODELS["classifier_of_texts"]().estimator)))
    code = f"from modelport.runtimes.catalog import load; from pathlib import Path; load(Path({str(path)!r}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.count("written by scikit-learn 0.9.9") == 1
    assert "InconsistentVersionWarning" not in done.stderr


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.InconsistentVersionWarning")
def test_a_difference_of_versions_is_told_where_loading_fails(tmp_path):
    path = tmp_path / "old.pkl"
    path.write_bytes(other_version(pickle.dumps(MODELS["classifier_of_texts"]().estimator))[:-200])
    with pytest.raises(InvalidModelError, match=r"old\.pkl can't be .*written by scikit-learn 0\.9\.9.*Install scikit"):
        PickleRuntime().load(path, LoadSpec())


@pytest.mark.parametrize("compress", [0, 3, ("gzip", 3), ("bz2", 3), ("xz", 3)])
def test_files_of_joblib_however_packed(tmp_path, compress):
    made = MODELS["classifier_of_texts"]()
    path = tmp_path / "m.joblib"
    joblib.dump(made.estimator, path, compress=compress)
    assert detect(path) == "pickle"
    given = PickleRuntime().load(path, LoadSpec(threads=1)).predict(made.inputs)
    assert given["probabilities"].tolist() == made.expected["probabilities"].tolist()


def test_what_a_difference_means():
    assert difference(None, "1.9.1") == difference("1.9.0", "1.9.1") == ""
    assert "loaded by older scikit-learn 1.9.1" in difference("1.10.0", "1.9.1")


def test_types_that_skops_does_not_know_are_refused(tmp_path):
    skops = pytest.importorskip("skops.io")
    from modelport.runtimes.sklearn.skops import SkopsRuntime

    path = tmp_path / "forest.skops"
    skops.dump(MODELS["several_targets"]().estimator, path)
    with pytest.raises(ForbiddenError, match=r"not loaded: sklearn.tree._tree.Tree.*trusted_types = \"sklearn.tree"):
        SkopsRuntime().load(path, LoadSpec())
    with pytest.raises(ForbiddenError, match=r"sklearn\.tree\._tree\.Tree"):
        SkopsRuntime().load(path, LoadSpec(options={"trusted_types": "builtins.eval"}))


def test_archives_that_are_no_skops_files(tmp_path):
    pytest.importorskip("skops.io")
    from modelport.runtimes.sklearn.skops import SkopsRuntime

    path = tmp_path / "m.skops"
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("other.json", "{}")
    path.write_bytes(held.getvalue())
    with pytest.raises(InvalidModelError, match=r"m\.skops is no skops file: the archive has no schema\.json"):
        SkopsRuntime().load(path, LoadSpec())
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("schema.json", "{}")
        archive.writestr("bomb", bytes(300 << 20))
    with pytest.raises(InvalidModelError, match="a decompression bomb"):
        SkopsRuntime().load(path, LoadSpec())
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("schema.json", '{"__class__": "Nonsense"}')
    with pytest.raises(InvalidModelError, match=r"m\.skops can't be loaded by skops"):
        SkopsRuntime().load(path, LoadSpec())
