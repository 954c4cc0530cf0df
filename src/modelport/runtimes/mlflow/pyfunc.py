"""MLflow's Python functions (pyfunc): the folder is loaded by MLflow itself, in the environment that it names.

Imported in the model's own process only. Source: MLflow `mlflow.pyfunc` and "MLflow Models".
"""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from modelport.core.declared import DeclaredTensor
from modelport.core.errors import InvalidModelError, MissingExtraError, ModelFailedError, ModelportError
from modelport.core.meaning import Tabular
from modelport.core.runtime import LoadedModel, LoadSpec, ModelInfo
from modelport.core.signature import Signature, TensorSpec
from modelport.runtimes.mlflow.calling import Arrays, Call, call_of, results, tensors_of
from modelport.runtimes.mlflow.fields import Field, fields_of
from modelport.runtimes.repositories.mlflow_signature import example_row
from modelport.runtimes.tables import check_cpu, check_options, one_line

INPUT, OUTPUT = "input", "output"


class PyfuncRuntime:
    """Loads MLflow folders by `mlflow.pyfunc.load_model`, which runs code that lies in them."""

    def load(self, path: Path, spec: LoadSpec) -> LoadedModel:
        """Load the folder. What its signature does not say, its input example or `spec` has to.

        Raises InvalidModelError with MLflow's own words, MissingExtraError where there is no MLflow.
        """
        check_options(spec.options, (), "MLflow")
        check_cpu(spec.device, "MLflow")
        model = _loaded(path)
        said = _Said(model, path)
        takes, parameters = _takes(said, spec.inputs), said.parameters()
        call = call_of(model, takes, parameters, bool(getattr(said.signature, "_is_signature_from_type_hint", False)))
        gives = _gives(said, spec.outputs, call)
        return PyfuncModel(call, takes, parameters, gives, _info(model))


class PyfuncModel:
    """A Python function of MLflow's. Thread-safe: it is called one at a time."""

    def __init__(
        self,
        call: Call,
        takes: Sequence[Field],
        parameters: Sequence[Field],
        gives: Sequence[Field],
        info: ModelInfo,
    ) -> None:
        optional = tuple(field.spec for field in parameters)
        inputs = (*tensors_of(takes), *optional)
        self.signature = Signature(inputs, tuple(field.spec for field in gives))
        self.info = info
        self._call = call
        self._gives = gives
        self._lock = threading.Lock()

    def predict(self, inputs: Arrays, outputs: tuple[str, ...] | None = None) -> Arrays:
        """Run the function; see `LoadedModel.predict`."""
        self.signature.check_inputs(inputs)
        if outputs is not None:
            self.signature.check_outputs(outputs)
        with self._lock:
            result = self._call(inputs)
        arrays = results(result, self._gives)
        return arrays if outputs is None else {name: arrays[name] for name in outputs}

    def close(self) -> None:
        """Forget the function."""
        self._call = _closed


class _Said:
    """What the folder says about its tensors: in its signature, or by its example."""

    def __init__(self, model: Any, path: Path) -> None:
        self.model, self.path = model, path
        self.signature = model.metadata.signature
        self.example = model.metadata.load_input_example(str(path)) if model.metadata.saved_input_example_info else None
        self._row = example_row(path, model.metadata.to_dict(), [])

    def schema(self, side: str) -> list[Mapping[str, Any]] | None:
        """The inputs or outputs of the signature, or what the example and the answer to it would have."""
        written = getattr(self.signature, side, None)
        if written is None and self.example is not None:
            from mlflow.models import infer_signature  # noqa: PLC0415 - in the model's own process

            answer = self.model.predict(self.example) if side == "outputs" else None
            written = getattr(infer_signature(self.example, answer), side)
        schema: list[Mapping[str, Any]] | None = None if written is None else written.to_dict()
        return schema

    def fields(self, side: str, otherwise: str) -> list[Field] | None:
        """The same as fields."""
        schema = self.schema(side)
        return None if schema is None else fields_of(schema, otherwise, self._row if side == "inputs" else None)

    def parameters(self) -> list[Field]:
        """What may be said beside the inputs, each with its default: inputs that may be left out."""
        written = getattr(self.signature, "params", None)
        found = [] if written is None else [item for item in written.to_dict() if item.get("type") != "object"]
        fields = [fields_of([item], INPUT)[0] for item in found]
        shapes = [(1,) if item.get("shape") is None else (-1,) for item in found]
        return [
            replace(field, spec=replace(field.spec, shape=shape, optional=True))
            for field, shape in zip(fields, shapes, strict=True)
        ]


def _loaded(path: Path) -> Any:
    """The model, as MLflow has it. Raises InvalidModelError or MissingExtraError."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    try:
        import mlflow.pyfunc  # noqa: PLC0415 - installed in the model's environment, and only there
        import pandas  # noqa: F401, PLC0415 - what MLflow's functions take
    except ImportError as error:
        raise MissingExtraError(
            f"{path.name} is a Python function of MLflow's, and {error.name!r} is not installed where it runs: name "
            "mlflow (or mlflow-skinny and pandas) in its requirements.txt; where [process] requirements is 'none', "
            "install it beside Modelport"
        ) from None
    try:
        return mlflow.pyfunc.load_model(str(path))
    except (ModelportError, MemoryError):
        raise
    except ModuleNotFoundError as error:
        raise InvalidModelError(
            f"{path.name} needs the module {error.name!r}, which is not installed where it runs; name its package in "
            "requirements.txt beside its MLmodel"
        ) from error
    except Exception as error:
        raise InvalidModelError(
            f"{path.name}: MLflow can't load it: {type(error).__name__}: {one_line(error)}"
        ) from error


def _takes(said: _Said, declared: Sequence[DeclaredTensor]) -> list[Field]:
    """The fields of the inputs. Raises InvalidModelError where nothing says them."""
    fields = said.fields("inputs", INPUT)
    if fields is None:
        fields = [field for item in declared for field in _declared(item)]
    if not fields:
        raise InvalidModelError(
            f"{said.path.name} does not say what it takes: save it with a signature or an input_example, or write "
            '[inputs.input] with datatype and shape, or kind = "tabular" with columns, into modelport.toml'
        )
    return fields


def _declared(item: DeclaredTensor) -> list[Field]:
    """What the owner says in place of a signature: a table as its columns, else a tensor."""
    if isinstance(item.meaning, Tabular):
        datatype = item.datatype or "FP64"
        return [
            Field(column.name, TensorSpec(column.name, datatype, (-1,), Tabular((column,))), "plain")
            for column in item.meaning.columns
        ]
    return [Field("" if item.name in (INPUT, OUTPUT) else item.name, item.spec(), "tensor")]


def _gives(said: _Said, declared: Sequence[DeclaredTensor], call: Call) -> list[Field]:
    """The fields of the outputs. Raises InvalidModelError where nothing says them."""
    try:
        fields = said.fields("outputs", OUTPUT)
    except Exception as error:
        raise InvalidModelError(f"{said.path.name} failed on its own example: {one_line(error)}") from error
    if fields is None:
        fields = [field for item in declared for field in _declared(item)]
    if not fields:
        raise InvalidModelError(
            f"{said.path.name} does not say what it gives: save it with a signature or an input_example, or write "
            "[outputs.output] with datatype and shape into modelport.toml"
        )
    return fields


def _info(model: Any) -> ModelInfo:
    import mlflow  # noqa: PLC0415 - in the model's own process

    flavours = getattr(model.metadata, "flavors", {})
    loader = str(flavours.get("python_function", {}).get("loader_module", ""))
    written = str(getattr(model.metadata, "mlflow_version", "") or "")
    properties = {"loader": loader, "mlflow_version": written}
    kept = {key: value for key, value in properties.items() if value}
    return ModelInfo("mlflow", "mlflow_pyfunc", f"MLflow {mlflow.__version__}", kept)


def _closed(_inputs: Arrays) -> Any:
    raise ModelFailedError("the model is closed")
