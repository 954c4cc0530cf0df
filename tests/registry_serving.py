"""A server of nothing but a registry: uvicorn, with the app's errors."""

import threading
import time

import uvicorn

from modelport.control.registry import Opened, registry_router
from modelport.control.registry_content import content_router
from modelport.control.registry_routers import release_routers
from modelport.server.asgi.app import create_app


class RegistryServer:
    """Runs in a thread until it is stopped."""

    def __init__(self, make):
        opened = Opened(make)
        app = create_app((registry_router(opened), content_router(opened), *release_routers(opened)))
        config = uvicorn.Config(app, port=0, log_level="warning", lifespan="off")
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run)
        self._thread.start()
        until = time.monotonic() + 30
        while not self._server.started and time.monotonic() < until:
            time.sleep(0.01)
        port = self._server.servers[0].sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"

    def stop(self):
        self._server.should_exit = True
        self._thread.join(30)
