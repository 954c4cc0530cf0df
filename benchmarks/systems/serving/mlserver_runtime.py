"""MLServer's runtime."""

from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse
from onnx_models import OnnxModel


class Service(MLModel):
    async def load(self) -> bool:
        self.model = OnnxModel(self.name)
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        outputs = self.model(NumpyCodec.decode_input(payload.inputs[0]).astype("float32"))
        encoded = [NumpyCodec.encode_output(*pair) for pair in zip(self.model.outputs, outputs, strict=True)]
        return InferenceResponse(model_name=self.name, outputs=encoded)
