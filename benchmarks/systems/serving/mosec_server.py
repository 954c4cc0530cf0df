"""mosec: one route per model, bytes in and out."""

from mosec import Runtime, Server, Worker
from onnx_models import FILES, WORKERS, OnnxModel


def worker(model: str) -> type[Worker]:
    class ModelWorker(Worker):
        def __init__(self) -> None:
            self.model = OnnxModel(model)

        def deserialize(self, data: bytes) -> bytes:
            return bytes(data)

        def serialize(self, data: bytes) -> bytes:
            return data

        def forward(self, data: bytes) -> bytes:
            return self.model.answer(data)

    return ModelWorker


if __name__ == "__main__":
    server = Server()
    server.register_runtime(
        {f"/{name}": [Runtime(worker(name), num=WORKERS, start_method="fork", timeout=30)] for name in FILES}
    )
    server.run()
