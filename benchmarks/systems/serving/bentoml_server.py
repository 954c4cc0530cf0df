"""BentoML: one API per model and kind of body."""

import bentoml
from onnx_models import FILES, WORKERS, OnnxModel


def _by_document(name: str):
    def infer(self, inputs: list) -> dict:
        return self.models[name].answer_document({"inputs": inputs})

    infer.__name__ = f"document_{name}".replace("-", "_")
    return bentoml.api(infer, route=f"/document/{name}")


def _by_bytes(name: str):
    def infer(self, body: bytes, /) -> bytes:
        return self.models[name].answer_bytes(body)

    infer.__name__ = f"bytes_{name}".replace("-", "_")
    return bentoml.api(infer, route=f"/bytes/{name}")


class Service:
    def __init__(self) -> None:
        self.models = {name: OnnxModel(name) for name in FILES}

    for _name in FILES:
        locals()[f"document_{_name}".replace("-", "_")] = _by_document(_name)
        locals()[f"bytes_{_name}".replace("-", "_")] = _by_bytes(_name)


Service = bentoml.service(workers=WORKERS, traffic={"timeout": 60})(Service)
