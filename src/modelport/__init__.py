"""Modelport takes a trained model file to a production API and web app."""

from modelport.core.tensor_hint import Tensor as Tensor

__version__ = "0.1.0"
