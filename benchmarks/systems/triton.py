"""Triton with a backend that runs no model: the most that its front ends can reach."""

from __future__ import annotations

import triton_peer

from systems.system import Job, Launch, NotInstalledError, System


class Triton(System):
    """Its answers are made up, but for those of `identity`."""

    name = "Triton, free backend"
    speaks = ("json", "binary", "grpc")
    runs_models = False
    scales = False

    def install(self) -> None:
        """See `System.install`."""
        try:
            triton_peer.install()
        except Exception as error:
            raise NotInstalledError(f"Triton can't be installed: {error}") from None

    def launch(self, job: Job) -> Launch:
        """See `System.launch`."""
        return Launch(triton_peer.command(job.port, 4, job.grpc_port))

    def version(self) -> str:
        """The server's."""
        return triton_peer.VERSION
