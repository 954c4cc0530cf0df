"""gRPC services: one file per service, over the engine."""
