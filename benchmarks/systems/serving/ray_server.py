"""Ray Serve: one application per model. ray_server.py PORT"""

import sys

import ray
from onnx_models import FILES, WORKERS, OnnxModel
from ray import serve
from starlette.requests import Request
from starlette.responses import Response


@serve.deployment(num_replicas=WORKERS, max_ongoing_requests=200, ray_actor_options={"num_cpus": 0})
class Service:
    def __init__(self, name: str) -> None:
        self.model = OnnxModel(name)

    async def __call__(self, request: Request) -> Response:
        return Response(self.model.answer(await request.body()))


if __name__ == "__main__":
    ray.init(num_cpus=2, include_dashboard=False, configure_logging=False)
    serve.start(http_options={"port": int(sys.argv[1])})
    names = list(FILES)
    for name in names:
        serve.run(Service.bind(name), name=name, route_prefix=f"/{name}", blocking=name == names[-1])
