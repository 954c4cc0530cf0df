"""HTTP/1.1: uvicorn's protocol with a short way for inference."""
