"""`POST /invocations`, which is SageMaker's path and MLflow's: what a request carries says whose it is.

1. A header `X-Amzn-SageMaker-…`, a body of .npy or JSON lines, or an `Accept` of CSV, .npy or JSON lines: SageMaker.
2. A JSON object with `dataframe_split`, `dataframe_records`, `instances` or `inputs`: MLflow. (SageMaker's TensorFlow
   containers answer `instances` in the same form.)
3. CSV with a header row: MLflow. Without one: SageMaker. `text/csv; header=present` (or `absent`) says it outright.
4. All else, such as bare JSON lists, pictures and texts: SageMaker.
"""

from __future__ import annotations

from collections.abc import Mapping

from modelport.core.errors import ModelportError
from modelport.core.messages import InferenceRequest
from modelport.core.signature import Signature
from modelport.wire.csv_tables import CSV, CsvTable
from modelport.wire.http import Encode, HttpCall, HttpReply
from modelport.wire.json_tensors import loads
from modelport.wire.media_types import check_utf8, content_type
from modelport.wire.mlflow import FORMATS, Mlflow, mlflow_reply, mlflow_request, refusal
from modelport.wire.npy import NPY
from modelport.wire.records import fields
from modelport.wire.sagemaker import LINES, PREFIX, SageMaker

_MLFLOW = Mlflow()
_TELLING = (CSV.encode(), NPY.encode(), *(name.encode() for name in LINES))
_MARKS = tuple(f'"{name}"'.encode() for name in FORMATS)


class Invocations:
    """The dialect of `/invocations`, and of `/endpoints/{model}/invocations`, where AWS's SDKs send it."""

    name = "invocations"
    patterns = (r"/invocations", r"/endpoints/(?P<model>[^/]+)/invocations")

    def __init__(self, sagemaker: SageMaker | None = None) -> None:
        self._sagemaker = sagemaker or SageMaker()

    def model_of(self, headers: Mapping[bytes, bytes]) -> str | None:
        """What `X-Amzn-SageMaker-Target-Model` names."""
        return self._sagemaker.model_of(headers)

    def decode(self, call: HttpCall, signature: Signature) -> tuple[InferenceRequest, Encode]:
        """Read a request as the dialect whose it is."""
        if _says_sagemaker(call.headers):
            return self._sagemaker.decode(call, signature)
        kind, parameters = content_type(call)
        if kind == CSV:
            said = parameters.get("header")
            table = CsvTable(bytes(call.body))
            header = said == "present" if said else table.has_header(signature, numbers_are_names=True)
            return (_MLFLOW if header else self._sagemaker).decode(call, signature)
        if kind in ("", "application/json") and any(mark in call.body for mark in _MARKS):
            check_utf8(parameters)
            document = loads(bytes(call.body))
            if isinstance(document, dict) and not document.keys().isdisjoint(set(FORMATS) - fields(signature).keys()):
                request = mlflow_request(document, signature)
                return request, lambda response: mlflow_reply(response, signature)
        return self._sagemaker.decode(call, signature)

    def refuse(self, error: ModelportError) -> HttpReply:
        """MLflow's form with its status; SageMaker hands a container's error on as it is, whatever its form."""
        return refusal(error)


def _says_sagemaker(headers: Mapping[bytes, bytes]) -> bool:
    if any(name.startswith(PREFIX) for name in headers):
        return True
    kind = headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
    if kind == _TELLING[1] or kind in _TELLING[2:]:
        return True
    accept = headers.get(b"accept", b"").lower()
    return any(name in accept for name in _TELLING)
