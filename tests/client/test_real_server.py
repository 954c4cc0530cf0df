"""The client against `modelport serve`: what a user has."""

import json

import numpy as np
import onnx
import pytest
import tritonclient.http as triton
from onnx import TensorProto, helper

from modelport.client import AsyncClient, Client
from modelport.core.datatypes import DTYPES
from modelport.core.errors import InvalidInputError, NotFoundError
from modelport.core.meaning import Labels

ONNX = {"FP32": "FLOAT", "FP64": "DOUBLE", "FP16": "FLOAT16", "BF16": "BFLOAT16", "BYTES": "STRING"}
LABELS = ["fine", "fraud"]


def identity(folder, name, datatype):
    element = getattr(TensorProto, ONNX.get(datatype, datatype))
    graph = helper.make_graph(
        [helper.make_node("Identity", ["X"], ["Y"])],
        name,
        [helper.make_tensor_value_info("X", element, ["N", "M"])],
        [helper.make_tensor_value_info("Y", element, ["N", "M"])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, folder / f"{name}.onnx")


def fraud(folder):
    graph = helper.make_graph(
        [
            helper.make_node("Softmax", ["X"], ["p"], axis=1),
            helper.make_node("ArgMax", ["X"], ["c"], axis=1, keepdims=0),
        ],
        "fraud",
        [helper.make_tensor_value_info("X", TensorProto.FLOAT, ["N", 2])],
        [helper.make_tensor_value_info("c", TensorProto.INT64, ["N"]), helper.make_tensor_value_info("p", 1, ["N", 2])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    columns = [{"name": "amount"}, {"name": "time"}]
    outputs = {"c": {"kind": "labels", "labels": LABELS}, "p": {"kind": "probabilities", "labels": LABELS}}
    meaning = {"inputs": {"X": {"kind": "tabular", "columns": columns}}, "outputs": outputs}
    model.metadata_props.add(key="modelport", value=json.dumps(meaning))
    onnx.save(model, folder / "fraud.onnx")


@pytest.fixture(scope="module")
def url(serve_models, tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    for datatype in DTYPES:
        identity(folder, f"identity-{datatype}", datatype)
    fraud(folder)
    return serve_models(*folder.iterdir())


@pytest.fixture(params=["auto", "binary", "json", "grpc"])
def client(url, request):
    with Client(url, dialect=request.param) as made:
        yield made


def array_of(datatype, shape):
    if datatype == "BYTES":
        array = np.empty(shape, np.object_)
        array[...] = "ü".encode()
        return array
    return np.arange(np.prod(shape)).reshape(shape).astype(DTYPES[datatype])


@pytest.mark.parametrize("shape", [(2, 3), (0, 3), (1, 1)])
@pytest.mark.parametrize("datatype", sorted(DTYPES))
def test_every_datatype_as_tritonclient_has_it(client, url, datatype, shape):
    array = array_of(datatype, shape)
    result = client.infer(f"identity-{datatype}", array)
    assert result["Y"].dtype == array.dtype
    np.testing.assert_array_equal(result["Y"], array)
    tensor = triton.InferInput("X", list(shape), datatype)
    tensor.set_data_from_numpy(array)
    theirs = triton.InferenceServerClient(url.removeprefix("http://"))
    np.testing.assert_array_equal(theirs.infer(f"identity-{datatype}", [tensor]).as_numpy("Y"), result["Y"])
    theirs.close()


def test_non_finite_floats(client):
    values = np.array([[np.nan, np.inf, -np.inf, -0.0]])
    np.testing.assert_array_equal(client.infer("identity-FP64", values)["Y"], values)


def test_lists_are_cast_to_the_signature(client):
    result = client.infer("fraud", [[0, 1]], outputs=["p"], id="r-1")
    assert list(result) == ["p"]
    assert (result.model, result.version, result.id) == ("fraud", "1", "r-1")
    with pytest.raises(InvalidInputError, match="FP32"):
        client.infer("fraud", [["a", "b"]])


def test_errors_of_the_server(client):
    with pytest.raises(InvalidInputError, match=r"shape.*\[-1, 2\]"):
        client.infer("fraud", [[0, 1, 2]])
    with pytest.raises(InvalidInputError, match="unknown input 'Z'"):
        client.infer("fraud", {"Z": [[0, 1]]})
    for call in (client.infer, client.predict):
        with pytest.raises(NotFoundError, match=r"'fruad'.*did you mean 'fraud'"):
            call("fruad", {"X": [[0, 1]]})
    with pytest.raises(NotFoundError, match="version 7"):
        client.infer("fraud", [[0, 1]], version=7)


def test_health_metadata_and_signature(client):
    assert client.live() is client.ready() is client.model_ready("fraud", 1) is True
    assert client.model_ready("fraud", 7) is client.model_ready("other") is False
    assert "binary_tensor_data" in client.server_metadata()["extensions"]
    assert {item["name"] for item in client.models()} == {"fraud", *(f"identity-{name}" for name in DTYPES)}
    signature = client.signature("fraud")
    if client.dialect_for("fraud") == "grpc":
        return  # its metadata has no place for what a tensor means
    assert signature.output("c").meaning == Labels(tuple(LABELS))
    assert [column.name for column in signature.input("X").meaning.columns] == ["amount", "time"]


@pytest.mark.parametrize(
    "data",
    [
        {"amount": 0, "time": 1},
        [{"amount": 0, "time": 1}],
        {"amount": [0], "time": [1]},
        {"X": np.array([[0.0, 1.0]])},
        {"instances": [[0, 1]]},
        [[0, 1]],
        [0, 1],
        np.array([[0, 1]]),
        np.array([[0, 1]], np.float16),
    ],
)
def test_plain_prediction(url, data):
    with Client(url) as client:
        (row,) = client.predict("fraud", data)
    assert row["c"] == "fraud"
    assert row["p"] == {"fine": pytest.approx(0.2689414), "fraud": pytest.approx(0.7310586)}


def test_plain_prediction_of_a_table_with_pandas(url):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"time": [1, 0], "amount": [0.0, 1.0]})
    with Client(url) as client:
        assert [row["c"] for row in client.predict("fraud", frame, version=1)] == ["fraud", "fine"]


async def test_the_async_client(url):
    async with AsyncClient(url) as client:
        assert await client.ready()
        result = await client.infer("fraud", np.array([[0, 1]]))
        assert result["c"].tolist() == [1]
        assert (await client.predict("fraud", {"amount": 0, "time": 1}))[0]["c"] == "fraud"
