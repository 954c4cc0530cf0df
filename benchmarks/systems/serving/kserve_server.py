"""KServe. It reads its own options from the command line."""

from kserve import InferOutput, InferResponse, Model, ModelServer
from onnx_models import DATATYPES, FILES, OnnxModel


class Service(Model):
    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.load()

    def load(self) -> bool:
        self.model = OnnxModel(self.name)
        self.ready = True
        return True

    def predict(self, request, headers=None, response_headers=None):
        outputs = []
        for name, value in zip(self.model.outputs, self.model(request.inputs[0].as_numpy()), strict=True):
            output = InferOutput(name, list(value.shape), DATATYPES[value.dtype.name])
            output.set_data_from_numpy(value, binary_data=request.use_binary_outputs or request.from_grpc)
            outputs.append(output)
        return InferResponse(
            response_id=request.id or "1",
            model_name=self.name,
            infer_outputs=outputs,
            use_binary_outputs=request.use_binary_outputs,
        )


if __name__ == "__main__":
    server = ModelServer(access_log_format=None)
    server.start([Service(name) for name in FILES])
