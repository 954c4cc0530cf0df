"""Modelport takes a trained model file to a production API and web app."""

__version__ = "0.1.0"
