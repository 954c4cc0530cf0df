"""TorchServe archives (`.mar`): a TorchScript model that one of TorchServe's own handlers serves.

A handler of the archive's own is code; what it did before and after the model is written as a `model.py` instead.
Source: TorchServe "Torch Model Archiver" and its default handlers.
"""

from __future__ import annotations

import json
import tempfile
import zipfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from modelport.core.datatypes import Array
from modelport.core.errors import InvalidModelError, ModelportError
from modelport.core.meaning import Image, Probabilities
from modelport.core.runtime import LoadedModel, LoadSpec, ModelInfo
from modelport.core.signature import Signature, TensorSpec
from modelport.runtimes import catalog
from modelport.runtimes.archives import check_member_name, unpack

MANIFEST = "MAR-INF/MANIFEST.json"
_LABELS = "index_to_name.json"
#: What comes of an archive that is not whole, or whose manifest is no such document.
_DAMAGE = (OSError, ValueError, TypeError, AttributeError, RecursionError, zipfile.BadZipFile, NotImplementedError)
#: The shapes behind the rows of what takes such pictures.
_PICTURES = ((3, 224, 224), (3, -1, -1), (-1, -1, -1))
#: TorchServe's handlers that send tensors to the model and back, once their pictures are decoded.
_HANDLERS = frozenset({"base_handler", "image_classifier", "image_segmenter", "object_detector"})
#: What `image_classifier` does to a picture: resized, its centre cut out, scaled as ImageNet's are.
_IMAGE = Image(
    224,
    224,
    3,
    "CHW",
    1 / 255,
    (0.485, 0.456, 0.406),
    (0.229, 0.224, 0.225),
    fit="crop",
)


@dataclass(frozen=True, slots=True)
class Manifest:
    """What an archive says about itself."""

    name: str
    version: str
    file: str
    handler: str


class TorchServeRuntime:
    """Loads `.mar` archives. Nothing of theirs is run but a TorchScript program."""

    def load(self, path: Path, spec: LoadSpec) -> LoadedModel:
        """Load the archive at `path`; options are TorchScript's.

        Raises InvalidModelError saying what is wrong with it, or why it can't be served and what to do.
        """
        manifest = read_manifest(path)
        with tempfile.TemporaryDirectory(prefix="modelport-mar-") as made:
            folder = Path(made)
            unpack(path, folder / "archive")
            loaded = _load(folder / "archive", spec, manifest, path.name)
            labels = _labels(folder / "archive" / _LABELS)
            return _ArchivedModel(loaded, manifest, _meant(loaded.signature, manifest, labels))


class _ArchivedModel:
    """The archive's TorchScript model, with what its handler says of its tensors."""

    def __init__(self, inner: LoadedModel, manifest: Manifest, signature: Signature) -> None:
        self._inner = inner
        self.signature = signature
        properties = {"handler": manifest.handler, "archive": f"{manifest.name} {manifest.version}".strip()}
        self.info: ModelInfo = replace(
            inner.info, format="torchserve", properties={**inner.info.properties, **properties}
        )

    def predict(self, inputs: dict[str, Array], outputs: tuple[str, ...] | None = None) -> dict[str, Array]:
        """Run the model; see `LoadedModel.predict`."""
        return self._inner.predict(inputs, outputs)

    def close(self) -> None:
        """Free the model's memory."""
        self._inner.close()


def read_manifest(path: Path) -> Manifest:
    """What the archive says. Raises InvalidModelError."""
    try:
        with zipfile.ZipFile(path) as archive:
            if MANIFEST not in archive.namelist():
                raise InvalidModelError(f"{path.name} is no TorchServe archive, or is cut short: it has no {MANIFEST}")
            with archive.open(MANIFEST) as file:
                model = json.loads(file.read(1 << 20))["model"]
        name, version, handler = (str(model.get(key) or "") for key in ("modelName", "modelVersion", "handler"))
        handler = handler.partition(":")[0].removesuffix(".py")
        return Manifest(name or path.stem, version, str(model["serializedFile"]), handler)
    except KeyError as error:
        raise InvalidModelError(f"{path.name} has no saved model: its manifest lacks {error.args[0]!r}") from None
    except _DAMAGE as error:
        raise InvalidModelError(f"{path.name} is no TorchServe archive, or a damaged one: {error}") from None


def _load(folder: Path, spec: LoadSpec, manifest: Manifest, name: str) -> LoadedModel:
    """The TorchScript model in the unpacked archive. Raises InvalidModelError."""
    if manifest.handler not in _HANDLERS:
        raise InvalidModelError(
            f"{name} is served by {manifest.handler!r}, which is code of its own or prepares texts: serve its model "
            f"({manifest.file}) by itself, and write what the handler does before and after it into a model.py"
        )
    file = folder / check_member_name(manifest.file, f"the manifest of {name}")
    if not file.is_file():
        raise InvalidModelError(f"{name} lacks the file {manifest.file!r}, which its manifest names")
    found = catalog.detect(file)
    if found != "torchscript":
        raise InvalidModelError(
            f"{name} holds {manifest.file}, which is no TorchScript program: save the model with torch.jit, or serve "
            "it by itself beside its code"
        )
    try:
        return catalog.runtime_for(found).load(file, spec)
    except ModelportError as error:
        raise type(error)(f"{name}: {error}") from None


def _meant(signature: Signature, manifest: Manifest, labels: tuple[str, ...]) -> Signature:
    """The signature with what the handler knows: pictures for a classifier of them, and the names of its classes."""
    inputs, outputs = signature.inputs, signature.outputs
    if manifest.handler == "image_classifier" and len(inputs) == 1 and _takes_pictures(inputs[0]):
        inputs = (replace(inputs[0], meaning=_IMAGE),)
    if len(outputs) == 1 and outputs[0].meaning is None and _scores(outputs[0], labels):
        outputs = (replace(outputs[0], meaning=Probabilities(labels, top_k=5)),)
    return replace(signature, inputs=inputs, outputs=outputs)


def _takes_pictures(spec: TensorSpec) -> bool:
    return spec.meaning is None and spec.shape is not None and spec.shape[1:] in _PICTURES


def _scores(spec: TensorSpec, labels: tuple[str, ...]) -> bool:
    return bool(labels) and spec.shape is not None and len(spec.shape) == 2 and spec.shape[1] in (-1, len(labels))


def _labels(path: Path) -> tuple[str, ...]:
    """The classes of `{"0": "cat"}` or `{"0": ["n02121", "cat"]}`; none where they can't be read."""
    try:
        document: Any = json.loads(path.read_text(encoding="utf-8"))
        rows = [document[str(place)] for place in range(len(document))]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return ()
    names = [str(row[-1]) if isinstance(row, list) and row else str(row) for row in rows]
    names = [name if names.count(name) == 1 else f"{name} ({place})" for place, name in enumerate(names)]
    return tuple(names) if len(set(names)) == len(names) and all(names) else ()
