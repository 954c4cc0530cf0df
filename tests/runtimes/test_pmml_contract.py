"""The runtime contract on PMML documents; each model also gives what scikit-learn, which trained it, gives."""

import numpy as np
import pytest

pytest.importorskip("modelport.runtimes.pmml.runtime")

from pypmml import Model

from modelport.core.errors import MissingExtraError
from modelport.core.runtime import LoadSpec
from modelport.runtimes.catalog import detect, runtime_for
from modelport.runtimes.pmml.java import start_java
from modelport.runtimes.pmml.runtime import PmmlRuntime
from modelport.testing.runtime_contract import ModelCase, RuntimeContract
from runtimes import pmml_documents, pmml_models

try:
    start_java()
except MissingExtraError as error:
    pytest.skip(str(error), allow_module_level=True)


def direct(document, rows):
    """What pypmml gives when it is called directly: each output's values."""
    model = Model.fromString(document)
    given = [list(model.predict(list(row))) for row in rows]
    return {str(name): [row[place] for row in given] for place, name in enumerate(model.outputNames)}


def as_arrays(given):
    """Its values as the runtime gives them: texts, numbers, and the scores of all classes in one array."""
    arrays = {}
    scores = [name for name in given if name.startswith("probability_")]
    for name, values in given.items():
        if name in scores:
            columns = [list(map(float, given[one])) for one in scores]
            arrays["probabilities"] = np.array(columns).T.copy()
        elif isinstance(values[0], str):
            arrays[name] = np.array([value.encode() for value in values], object)
        else:
            arrays[name] = np.array(list(map(float, values)))
    return arrays


def columns_of(fields, rows):
    return {name: np.ascontiguousarray(rows[:, at : at + 1]) for at, name in enumerate(fields)}


def of_numbers(name, path):
    document, fields, rows, _ = pmml_models.trained(name)
    path.write_text(document)
    return ModelCase(path, columns_of(fields, rows[::10]), as_arrays(direct(document, rows[::10].tolist())))


def applicant(_name, path):
    document = pmml_documents.applicant()
    path.write_text(document)
    rows = [(30.0, "clerk"), (None, "smith"), (1.5, None)]
    ages = np.array([[30.0], [np.nan], [1.5]])
    jobs = np.array([[b"clerk"], [b"smith"], [b""]], object)
    broken = (
        {"age": ages, "job": np.array([[b"king"]] * 3, object)},
        {"age": ages, "job": np.array([[b"\xff"]] * 3, object)},
    )
    return ModelCase(path, {"age": ages, "job": jobs}, as_arrays(direct(document, rows)), refused=broken)


CASES = {**dict.fromkeys(pmml_models.MODELS, of_numbers), "applicant": applicant}


@pytest.fixture(scope="module", params=CASES)
def made(request, tmp_path_factory):
    return CASES[request.param](request.param, tmp_path_factory.mktemp("pmml") / "m.pmml")


class TestPmml(RuntimeContract):
    @pytest.fixture
    def runtime(self):
        return runtime_for("pmml")

    @pytest.fixture
    def case(self, made):
        return made

    def test_it_is_recognised(self, case):
        assert detect(case.path) == "pmml"


@pytest.mark.parametrize("name", pmml_models.MODELS)
def test_it_gives_what_scikit_learn_gives(name, tmp_path):
    document, fields, rows, expected = pmml_models.trained(name)
    path = tmp_path / "m.pmml"
    path.write_text(document)
    model = PmmlRuntime().load(path, LoadSpec())
    given = model.predict(columns_of(fields, rows))
    if expected.ndim == 1:
        assert np.allclose(next(iter(given.values())), expected, rtol=1e-12, atol=1e-9)
    else:
        assert np.allclose(given["probabilities"], expected, rtol=1e-12, atol=1e-12)
        named = [pmml_models.CLASSES[at].encode() for at in expected.argmax(1)]
        assert given["predicted_species"].tolist() == named
