"""LitServe: one API per model; it takes JSON alone, so bytes come as base64. litserve_server.py PORT"""

import base64
import sys

import litserve
from onnx_models import FILES, WORKERS, OnnxModel


class Api(litserve.LitAPI):
    def __init__(self, name: str) -> None:
        super().__init__(api_path=f"/{name}")
        self.name = name

    def setup(self, device: str) -> None:
        self.model = OnnxModel(self.name)

    def decode_request(self, request: dict) -> dict:
        return request

    def predict(self, request: dict) -> dict:
        if "b64" in request:
            return {"b64": base64.b64encode(self.model.answer_bytes(base64.b64decode(request["b64"]))).decode()}
        return self.model.answer_document(request)

    def encode_response(self, output: dict) -> dict:
        return output


if __name__ == "__main__":
    server = litserve.LitServer(
        [Api(name) for name in FILES], accelerator="cpu", workers_per_device=WORKERS, timeout=60
    )
    server.run(port=int(sys.argv[1]), log_level="warning", generate_client_file=False)
