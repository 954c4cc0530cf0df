"""Every kind of error in the form and code of each hosting platform's dialect."""

import json
from http import HTTPStatus

import pytest

from modelport.core import errors
from modelport.core.errors import Kind
from modelport.wire import azureml, mlflow, sagemaker, torchserve, vertex
from modelport.wire.invocations import Invocations

CLASSES = {
    item.kind: item
    for item in vars(errors).values()
    if isinstance(item, type) and issubclass(item, errors.ModelportError) and item is not errors.ModelportError
}
DIALECTS = {
    "torchserve": torchserve.TorchServe(),
    "sagemaker": sagemaker.SageMaker(),
    "mlflow": mlflow.Mlflow(),
    "invocations": Invocations(),
    "vertex": vertex.VertexAi(),
    "azureml": azureml.AzureMl(),
}
TABLES = [torchserve.ERRORS, sagemaker.ERRORS, mlflow.ERRORS, vertex.ERRORS, azureml.ERRORS]
#: From mlflow.exceptions: error code → status. Only what says nothing of its own (BAD_REQUEST) may have another one.
MLFLOW_STATUS = {
    "INTERNAL_ERROR": 500,
    "INVALID_STATE": 500,
    "NOT_IMPLEMENTED": 501,
    "TEMPORARILY_UNAVAILABLE": 503,
    "DEADLINE_EXCEEDED": 504,
    "REQUEST_LIMIT_EXCEEDED": 429,
    "CANCELLED": 499,
    "RESOURCE_CONFLICT": 409,
    "RESOURCE_DOES_NOT_EXIST": 404,
    "PERMISSION_DENIED": 403,
    "UNAUTHENTICATED": 401,
}


#: What the caller can mend; systems disagree on who has to mend the others.
CALLERS = {
    Kind.INVALID_INPUT,
    Kind.NOT_FOUND,
    Kind.TOO_LARGE,
    Kind.TIMEOUT,
    Kind.CANCELLED,
    Kind.CONFLICT,
    Kind.UNAUTHENTICATED,
    Kind.FORBIDDEN,
}
SERVERS = {Kind.DEADLINE_EXCEEDED, Kind.UNAVAILABLE, Kind.OUT_OF_RESOURCES, Kind.MODEL_FAILED, Kind.INTERNAL}


@pytest.mark.parametrize("table", TABLES)
def test_tables_have_every_kind(table):
    assert set(table) == set(Kind)


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("name", DIALECTS)
def test_every_kind_has_its_form(name, kind):
    reply = DIALECTS[name].refuse(CLASSES[kind]("what is wrong"))
    document = json.loads(reply.body)
    assert reply.status == 499 or HTTPStatus(reply.status) >= 400
    assert kind not in CALLERS or reply.status < 500
    assert kind not in SERVERS or reply.status >= 500
    if name in ("torchserve", "sagemaker"):
        assert document == {"code": reply.status, "type": document["type"], "message": "what is wrong"}
    elif name in ("mlflow", "invocations"):
        assert document == {"error_code": document["error_code"], "message": "what is wrong"}
        assert MLFLOW_STATUS.get(document["error_code"], reply.status) == reply.status
    elif name == "vertex":
        inner = {"code": reply.status, "message": "what is wrong", "status": document["error"]["status"]}
        assert document == {"error": inner}
    else:
        assert document == {"message": "what is wrong"}
    assert (b"retry-after" in dict(reply.headers)) == (kind in (Kind.OVERLOADED, Kind.UNAVAILABLE))


def test_texts_are_cut_where_they_are_too_long():
    for dialect in DIALECTS.values():
        assert len(dialect.refuse(errors.InvalidInputError("x" * 100_000)).body) < 5000
