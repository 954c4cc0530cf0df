"""PMML documents on PMML4S (by pypmml): regressions, trees and their ensembles, SVMs, neural networks and others.

The evaluator does what the document says with derived fields, missing values and outputs.
"""

from __future__ import annotations

from itertools import repeat
from pathlib import Path
from typing import Any

from modelport.core.datatypes import Array
from modelport.core.errors import InvalidInputError, InvalidModelError, ModelFailedError, ModelportError
from modelport.core.runtime import LoadedModel, LoadSpec, ModelInfo
from modelport.core.signature import Signature
from modelport.runtimes.pmml.fields import Field, Output, fields_of, outputs_of
from modelport.runtimes.pmml.file import PmmlFile, read_pmml
from modelport.runtimes.pmml.java import VERSION, evaluator, java_text, start_java
from modelport.runtimes.pmml.outline import parameters_text


class PmmlRuntime:
    """Loads PMML documents of the versions 3 and 4. They hold no code."""

    def load(self, path: Path, spec: LoadSpec) -> LoadedModel:
        """Load the document at `path`; it takes no options, and its threads are the callers'.

        Raises InvalidModelError saying what is wrong with the document, InvalidInputError for what is wrong with
        `spec`, MissingExtraError where there is no Java.
        """
        if spec.options:
            raise InvalidInputError(f"unknown option {next(iter(spec.options))!r}; PMML models take none")
        if spec.device != "cpu":
            raise InvalidInputError(f"unknown device {spec.device!r}; PMML models run on 'cpu'")
        file = read_pmml(path)
        start_java()
        model = evaluator(file.text, path.name)
        fields, outputs = fields_of(model, file), outputs_of(model)
        if not fields or not outputs:
            raise InvalidModelError(f"{path.name} has no active fields or no outputs, so there is nothing to ask it")
        return PmmlModel(model, fields, outputs, _info(model, file))


class PmmlModel:
    """A document's model. Each row is evaluated on its own."""

    def __init__(self, model: Any, fields: tuple[Field, ...], outputs: tuple[Output, ...], info: ModelInfo) -> None:
        self.signature = Signature(tuple(item.spec for item in fields), tuple(item.spec for item in outputs))
        self.info = info
        self._model = model
        self._fields = fields
        self._outputs = {item.spec.name: item for item in outputs}

    def predict(self, inputs: dict[str, Array], outputs: tuple[str, ...] | None = None) -> dict[str, Array]:
        """Evaluate each row. Thread-safe; see `LoadedModel.predict`."""
        self.signature.check_complete(inputs)
        wanted = self._outputs
        if outputs is not None:
            self.signature.check_outputs(outputs)
            wanted = {name: self._outputs[name] for name in outputs}
        model = self._model
        if model is None:
            raise ModelFailedError("the model is closed")
        rows = self._rows(inputs)
        try:
            given = [list(model.predict(row)) for row in rows]
            return {name: item.array(given) for name, item in wanted.items()}
        except ModelportError:
            raise
        except Exception as error:
            raise ModelFailedError(f"the model failed: {java_text(error)}") from error

    def close(self) -> None:
        """Let go of the model; the Java machine stays."""
        self._model = None

    def _rows(self, inputs: dict[str, Array]) -> list[list[Any]]:
        """The fields' values of each row; a field that is left out is missing in all rows."""
        counts = {name: len(array) for name, array in inputs.items()}
        if len(set(counts.values())) != 1:
            told = ", ".join(f"{name!r} has {count}" for name, count in counts.items()) or "there are none"
            raise InvalidInputError(f"the inputs must have as many rows as each other: {told}")
        columns = [
            item.values(inputs[item.spec.name]) if item.spec.name in inputs else repeat(None) for item in self._fields
        ]
        return [list(row) for row in zip(*columns, strict=False)]


def _info(model: Any, file: PmmlFile) -> ModelInfo:
    properties = {
        "pmml_version": file.version,
        "producer": file.producer,
        "model": f"{file.model}, {model.functionName}",
        "parameters": parameters_text(file),
        "description": file.description,
    }
    return ModelInfo(
        format="pmml",
        platform="pmml",
        framework=f"PMML4S (pypmml {VERSION})",
        properties={key: value for key, value in properties.items() if value},
    )
