"""OpenVINO: its own models, and an engine for ONNX."""
