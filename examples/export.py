"""From a fitted scikit-learn model to an ONNX file that says what its numbers mean, proven to give the same answers."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import FloatTensorType, Int64TensorType
from sklearn.base import is_classifier

#: How far the float32 file may be from scikit-learn's float64: of a probability, or of a quantity relative to its size.
TOLERANCE = 1e-4


@dataclass(frozen=True)
class Trained:
    """A fitted model, what its tensors mean, and how good it is on rows that it never saw."""

    name: str
    model: Any
    input_name: str
    meaning: dict[str, Any]  # the document of the file's `modelport` metadata property
    held_out: np.ndarray  # rows to prove the file on
    summary: str  # what it does and its held-out figure, for people


class ExportError(Exception):
    """The ONNX file does not give scikit-learn's answers."""


def export(trained: Trained, folder: Path) -> tuple[Path, float]:
    """Write `<folder>/<name>.onnx` atomically.

    Gives its path and the largest difference from scikit-learn's answers on the held-out rows. Raises ExportError, and
    writes nothing, where a class differs or a number differs by more than TOLERANCE.
    """
    content = _to_onnx(trained)
    difference = _prove(trained, content)
    path = folder / f"{trained.name}.onnx"
    draft = path.with_suffix(".part")
    draft.write_bytes(content)
    os.replace(draft, path)
    return path, difference


def _to_onnx(trained: Trained) -> bytes:
    outputs = trained.meaning["outputs"]
    rows = trained.held_out
    graph = convert_sklearn(
        trained.model,
        trained.name,
        initial_types=[(trained.input_name, FloatTensorType([None, rows.shape[1]]))],
        final_types=[(name, _type(meaning)) for name, meaning in outputs.items()],
        options={"zipmap": False} if is_classifier(trained.model) else None,
    )
    entry = graph.metadata_props.add()
    entry.key, entry.value = "modelport", json.dumps(trained.meaning)
    graph.opset_import.sort(key=lambda opset: opset.domain)  # the converter's order is that of a set
    return graph.SerializeToString()


def _type(meaning: dict[str, Any]) -> Any:
    """The ONNX type of an output with that meaning."""
    if meaning["kind"] == "labels":
        return Int64TensorType([None])
    return FloatTensorType([None, len(meaning.get("labels", ())) or 1])


def _prove(trained: Trained, content: bytes) -> float:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    rows = trained.held_out.astype(np.float32)
    answers = session.run(None, {trained.input_name: rows})
    if not is_classifier(trained.model):
        wanted = trained.model.predict(rows)
        return _check(trained.name, np.abs(answers[0].ravel() - wanted) / np.abs(wanted).max())
    labels, scores = answers
    differing = np.flatnonzero(labels != trained.model.predict(rows))
    if differing.size:
        raise ExportError(f"{trained.name}: held-out row {differing[0]} gets another class from the ONNX file")
    return _check(trained.name, np.abs(scores - trained.model.predict_proba(rows)))


def _check(name: str, differences: np.ndarray) -> float:
    largest = float(differences.max())
    if not largest <= TOLERANCE:
        raise ExportError(f"{name}: the ONNX file differs from scikit-learn by {largest:.2g}; {TOLERANCE} is allowed")
    return largest
