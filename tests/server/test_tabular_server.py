"""Models of tables, served: records by column name, probabilities by label, tensors over REST and gRPC."""

import json
import urllib.error
import urllib.request

import numpy as np
import pytest

for name in ("sklearn", "skops", "xgboost", "lightgbm", "catboost", "pandas", "tritonclient"):
    pytest.importorskip(name)

import skops.io  # noqa: E402
import tritonclient.grpc as triton  # noqa: E402

from modelport.core.description import signature_from_dict  # noqa: E402
from modelport.wire.examples import example_rows  # noqa: E402
from runtimes import test_catboost_contract as catboost_cases  # noqa: E402
from runtimes import test_lightgbm_contract as lightgbm_cases  # noqa: E402
from runtimes import test_xgboost_contract as xgboost_cases  # noqa: E402
from runtimes.sklearn_models import MODELS  # noqa: E402

MIXED = ("mixed", "cat_mixed")


@pytest.fixture(scope="module")
def cases(tmp_path_factory):
    """A folder of models of each format, and what is known of each: inputs and expected outputs by its name."""
    folder = tmp_path_factory.mktemp("tables")
    known = {}
    for name, made in (("iris", "classifier_of_texts"), ("mixed", "mixed_columns"), ("words", "text_classifier")):
        known[name] = MODELS[made]()
        skops.io.dump(known[name].estimator, folder / f"{name}.skops")
    for name, cases_of, made in (
        ("xgb", xgboost_cases, "categories"),
        ("lgb", lightgbm_cases, "categories"),
        ("cat", catboost_cases, "several_classes"),
        ("cat_mixed", catboost_cases, "categories"),
    ):
        own = folder.parent / name
        own.mkdir(exist_ok=True)
        known[name] = cases_of.CASES[made](own)
        known[name].path.rename(folder / f"{name}{known[name].path.suffix}")
    return folder, known


@pytest.fixture(scope="module")
def url(cases, serve_models):
    return serve_models(cases[0])


def post(url, body):
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=20) as response:
            return json.loads(response.read())
    except urllib.error.HTTPError as error:
        return {"status": error.code, **json.loads(error.read())}


def plain(array):
    return [item.decode() if isinstance(item, bytes) else item for item in array.ravel().tolist()]


def sent(array):
    """JSON has no NaN; a text that stands for a missing value is empty."""
    return [None if item != item else item for item in plain(array)]


@pytest.mark.parametrize("name", ["iris", "mixed", "words", "xgb", "lgb", "cat", "cat_mixed"])
def test_open_inference_over_rest(cases, url, name):
    known = cases[1][name]
    parts = list(known.inputs.values())
    if any(array.dtype != object and not np.isfinite(array).all() for array in parts):
        known_inputs = {key: array[:1] if array.ndim == 1 else array[1:] for key, array in known.inputs.items()}
        rows = slice(0, 1) if parts[0].ndim == 1 else slice(1, None)
    else:
        known_inputs, rows = known.inputs, slice(None)
    datatypes = {np.dtype(object): "BYTES", np.dtype(np.float32): "FP32", np.dtype(np.float64): "FP64"}
    inputs = [
        {"name": key, "shape": list(array.shape), "datatype": datatypes[array.dtype], "data": plain(array)}
        for key, array in known_inputs.items()
    ]
    given = post(f"{url}/v2/models/{name}/infer", {"inputs": inputs})
    assert [output["name"] for output in given["outputs"]] == list(known.expected)
    for output in given["outputs"]:
        want = known.expected[output["name"]][rows]
        assert output["shape"] == list(want.shape)
        assert np.array(output["data"], want.dtype).tolist() == np.array(plain(want), want.dtype).tolist()


@pytest.mark.parametrize("name", ["iris", "mixed", "words", "xgb", "lgb", "cat", "cat_mixed"])
def test_open_inference_over_grpc(cases, url, name):
    known = cases[1][name]
    inputs = []
    for key, array in known.inputs.items():
        datatype = {"object": "BYTES", "float32": "FP32", "float64": "FP64"}[str(array.dtype)]
        inputs.append(triton.InferInput(key, list(array.shape), datatype))
        inputs[-1].set_data_from_numpy(array)
    with triton.InferenceServerClient(url.removeprefix("http://")) as client:
        given = client.infer(name, inputs)
    for key, want in known.expected.items():
        have = given.as_numpy(key)
        assert have.shape == want.shape
        assert have.tolist() == want.tolist()


@pytest.mark.parametrize("name", MIXED)
def test_records_of_mixed_columns(cases, url, name):
    known = cases[1][name]
    columns = {key: sent(array) for key, array in known.inputs.items()}
    records = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    given = post(f"{url}/models/{name}/predict", records)["predictions"]
    assert [row["label"] for row in given] == plain(known.expected["label"])
    assert [list(row["probabilities"].values()) for row in given] == known.expected["probabilities"].tolist()
    labels = ["old", "young"] if name == "mixed" else ["no", "yes"]
    assert all(list(row["probabilities"]) == labels for row in given)
    assert post(f"{url}/models/{name}/predict", columns)["predictions"] == given
    wrong = post(f"{url}/models/{name}/predict", [{**records[0], "citty": "Oslo"}])
    assert wrong["status"] == 400
    assert "did you mean 'city'?" in json.dumps(wrong)


@pytest.mark.parametrize("name", ["xgb", "lgb"])
def test_records_with_categories_by_name(cases, url, name):
    known = cases[1][name]
    cities, shelves = ["Bergen", "Oslo", "Stavanger" if name == "xgb" else "Tromsø"], ["10", "20", "30"]
    x = known.inputs["X"].astype(np.float64)
    records = [{"price": price, "city": cities[int(c)], "shelf": shelves[int(s)]} for price, c, s in x.tolist()]
    given = post(f"{url}/models/{name}/predict", records)["predictions"]
    assert [row["label"] for row in given] == known.expected["label"].tolist()
    want = known.expected["probabilities"]
    assert (
        np.array([[row["probabilities"][key] for key in "01"] for row in given], want.dtype).tolist() == want.tolist()
    )
    assert post(f"{url}/models/{name}/predict", {"X": x.tolist()})["predictions"] == given
    wrong = post(f"{url}/models/{name}/predict", [{**records[0], "city": "Rome"}])
    assert wrong["status"] == 400
    assert "Rome" in json.dumps(wrong)


@pytest.mark.parametrize("name", ["iris", "mixed", "words", "xgb", "lgb", "cat", "cat_mixed"])
def test_the_first_try_that_is_shown_works(url, name):
    """What the terminal and errors offer as an example is a request that the model takes."""
    with urllib.request.urlopen(f"{url}/v2/models/{name}", timeout=20) as response:
        signature = signature_from_dict(with_meanings(json.loads(response.read())))
    (row,) = post(f"{url}/models/{name}/predict", {"instances": example_rows(signature)})["predictions"]
    assert next(iter(row)) == "label"


def with_meanings(metadata):
    """The server's metadata with the meanings where a signature's document has them."""
    for side in ("inputs", "outputs"):
        for tensor in metadata[side]:
            tensor.update(tensor.get("parameters", {}))
    return metadata


def test_a_record_of_iris_and_a_text(url):
    measures = {"sepal length (cm)": 5, "sepal width (cm)": 3.5, "petal length (cm)": 1.4, "petal width (cm)": 0.2}
    for name in ("iris", "cat"):
        (given,) = post(f"{url}/models/{name}/predict", measures)["predictions"]
        assert given["label"] == "setosa"
        assert max(given["probabilities"], key=given["probabilities"].get) == "setosa"
    (given,) = post(f"{url}/models/words/predict", "cancel my order")["predictions"]
    assert given["label"] == "cancel"
