"""What format a model file or folder has: told from its content first, from its name where the content says nothing.

Formats that no runtime loads yet are told apart too, so that whoever points at a pickle is told that it is one.
"""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path

from modelport.core.errors import InvalidModelError
from modelport.runtimes.onnx.file import looks_like_onnx

#: So much of a file's beginning is looked at.
_HEAD = 64 << 10
#: So much of a Python file.
_CODE = 1 << 20


@dataclass(frozen=True, slots=True)
class Look:
    """A format's name in the catalog (empty: it never will have one), and what to call such a file."""

    format: str
    description: str


_PICKLE = Look("pickle", "a Python pickle (scikit-learn and joblib write them)")
_ONNX = Look("onnx", "an ONNX model")
_LIGHTGBM = Look("lightgbm", "a LightGBM model in text form")
_XGBOOST = Look("xgboost", "an XGBoost model")
_XGBOOST_BINARY = Look("xgboost", "an XGBoost model in the binary form that XGBoost 3.1 dropped, or no model")
_SKOPS = Look("skops", "a skops archive of a scikit-learn model")
_SAFETENSORS = Look("safetensors", "a safetensors file: weights without the model's code")
_TFLITE = Look("tflite", "a TensorFlow Lite (LiteRT) model")
_OPENVINO = Look("openvino", "an OpenVINO IR model")
_KERAS = Look("keras", "a Keras 3 archive (.keras)")
_KERAS_HDF5 = Look("keras", "an HDF5 file (Keras 1 and 2 write them)")
_TORCHSCRIPT = Look("torchscript", "a TorchScript archive")
_TORCH_EXPORT = Look("torch_export", "a PyTorch exported program (.pt2)")
_PYTORCH = Look("pytorch", "a PyTorch checkpoint (torch.save): weights without the model's code, or a pickle")
_CATBOOST = Look("catboost", "a CatBoost model")
_PMML = Look("pmml", "a PMML document")
_PYTHON = Look("python", "a Python file")
_SAVED_MODEL = Look("tensorflow", "a TensorFlow SavedModel folder")
_MLFLOW = Look("mlflow", "an MLflow model folder")
_HUGGING_FACE = Look("transformers", "a Hugging Face transformers folder")

#: A file begins with these bytes, at this position.
_MAGIC: tuple[tuple[int, bytes, Look], ...] = (
    (0, b"\x89HDF\r\n\x1a\n", _KERAS_HDF5),
    (4, b"TFL3", _TFLITE),
    (4, b"ORTM", Look("ort", "an ORT-format model of ONNX Runtime")),
    (0, b"tree\nversion=", _LIGHTGBM),
    (0, b"tree\r\nversion=", _LIGHTGBM),
    (0, b"CBM1", _CATBOOST),
    (0, b"binf", _XGBOOST_BINARY),
    (0, b"GGUF", Look("gguf", "a GGUF file: weights of a language model")),
    (0, b"ftrt", Look("tensorrt", "a TensorRT engine")),
    (0, b"ptrt", Look("tensorrt", "a TensorRT engine")),
    (0, b"\x93NUMPY", Look("", "a NumPy array (.npy), not a model")),
    (0, b"PAR1", Look("", "a Parquet table, not a model")),
    (0, b"SQLite format 3\0", Look("", "an SQLite database, not a model")),
    (0, b"\x7fELF", Look("", "a compiled library or program")),
    (0, b"version https://git-lfs", Look("", "a Git LFS pointer: run `git lfs pull` to get the model itself")),
    (0, b"\x1f\x8b", Look("", "a gzip archive: unpack it first")),
    (0, b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.", _PYTORCH),
    (0, b"x\x9c", _PICKLE),
    (0, b"x\x5e", _PICKLE),
    (0, b"x\x01", _PICKLE),
    (0, b"x\xda", _PICKLE),
)

#: An archive that has a member whose path ends so, most telling first.
_MEMBERS: tuple[tuple[str, Look], ...] = (
    ("model.weights.h5", _KERAS),
    ("mar-inf/manifest.json", Look("torchserve", "a TorchServe archive (.mar)")),
    ("serialized_exported_program.json", _TORCH_EXPORT),
    ("archive_format", _TORCH_EXPORT),
    ("model.ini", Look("h2o", "an H2O MOJO archive")),
    ("constants.pkl", _TORCHSCRIPT),
    ("data.pkl", _PYTORCH),
    ("schema.json", _SKOPS),
    (".npy", Look("", "NumPy arrays (.npz), not a model")),
)

#: A folder that has this file.
_FOLDERS: tuple[tuple[str, Look], ...] = (
    ("MLmodel", _MLFLOW),
    ("saved_model.pb", _SAVED_MODEL),
    ("config.json", _HUGGING_FACE),
    ("Manifest.json", Look("coreml", "a Core ML package")),
    ("model.json", Look("tfjs", "a TensorFlow.js folder")),
)

#: What gzip, bzip2 and xz write; joblib packs its files with them.
_PACKED = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ")

#: Names say the format where the content does not.
_SUFFIXES: dict[str, Look] = {
    ".py": _PYTHON,
    ".onnx": _ONNX,
    ".pkl": _PICKLE,
    ".pickle": _PICKLE,
    ".joblib": _PICKLE,
    ".pt": Look("pytorch", "a PyTorch file of an unknown kind"),
    ".pth": Look("pytorch", "a PyTorch file of an unknown kind"),
    ".pb": Look("tensorflow_graph", "a frozen TensorFlow graph"),
    ".ubj": _XGBOOST,
    ".model": _XGBOOST_BINARY,
    ".bst": _XGBOOST_BINARY,
    ".deb": _XGBOOST_BINARY,
    ".cbm": _CATBOOST,
    ".skops": _SKOPS,
    ".mlmodel": Look("coreml", "a Core ML model"),
    ".tflite": _TFLITE,
    ".keras": _KERAS,
    ".h5": _KERAS_HDF5,
    ".pmml": _PMML,
    ".gguf": Look("gguf", "a GGUF file: weights of a language model"),
}


def look_at(path: Path) -> Look:
    """What is at `path`. Raises InvalidModelError where there is nothing, or nothing that can be told."""
    if path.is_dir():
        return _look_at_folder(path)
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
    except OSError as error:
        raise InvalidModelError(f"can't read {path}: {error.strerror or error}") from None
    look = _look_at_content(path, head) or _SUFFIXES.get(path.suffix.lower())
    if look is not None:
        return look
    if not head:
        raise InvalidModelError(f"{path.name} is empty (0 bytes)")
    return Look("", "of no format that is known")


def _look_at_content(path: Path, head: bytes) -> Look | None:
    if head.startswith(_PACKED) and path.suffix.lower() in (".pkl", ".pickle", ".joblib"):
        return _PICKLE
    for position, magic, look in _MAGIC:
        if head.startswith(magic, position):
            return look
    if head[:1] == b"\x80" and head[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05"):
        return _PICKLE
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _look_into_archive(path)
    if _is_safetensors(path, head):
        return _SAFETENSORS
    return _look_at_text(head) or (_ONNX if looks_like_onnx(head) else None)


def _look_into_archive(path: Path) -> Look:
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name.lower() for name in archive.namelist()]
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return Look("", "a zip archive that is cut short or damaged")
    for ending, look in _MEMBERS:
        if any(name.endswith(ending) for name in names):
            return look
    return Look("", "a zip archive: unpack it first")


def _is_safetensors(path: Path, head: bytes) -> bool:
    """Eight bytes with the length of a JSON object, then the object."""
    length = int.from_bytes(head[:8], "little")
    return head[8:9] == b"{" and 2 <= length <= path.stat().st_size - 8


def _look_at_text(head: bytes) -> Look | None:
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    lowered = start[:4096].lower()
    if lowered.startswith((b"<!doctype html", b"<html")):
        return Look("", "a web page: the download went wrong")
    if lowered.startswith(b"<"):
        return _look_at_xml(lowered)
    if start.startswith(b"{") and b"learner" in start[:4096]:
        return _XGBOOST
    if start.startswith((b"{", b"[")) and _is_text(head):
        return Look("json", "a JSON document of an unknown kind")
    return None


def _look_at_xml(lowered: bytes) -> Look:
    if b"<pmml" in lowered:
        return _PMML
    if b"<net " in lowered:
        return _OPENVINO
    return Look("xml", "an XML document of an unknown kind")


def _look_at_folder(path: Path) -> Look:
    code = path / "model.py"
    if not (path / "MLmodel").is_file():  # what code lies beside that is MLflow's affair
        if _defines_network(code):
            return _look_beside_code(path)
        if _defines_model(code):
            return _PYTHON
    for name, look in _FOLDERS:
        if (path / name).is_file():
            return look
    if any(path.glob("*.onnx")):
        return _ONNX
    if any(path.glob("*.xml")) and any(path.glob("*.bin")):
        return _OPENVINO
    return Look("", "a folder without a model file")


def is_one_model(folder: Path) -> bool:
    """Whether a folder is a model as a whole, as a SavedModel is; not where files in it are models by themselves."""
    return any((folder / name).is_file() for name, _ in _FOLDERS) or (folder / "model.py").is_file()


def _defines_network(code: Path) -> bool:
    """Whether a Python file defines a network of PyTorch, rather than a model that predicts by itself."""
    try:
        text = code.read_bytes()[:_CODE]
    except OSError:
        return False
    return b"torch" in text and b"def forward(" in text and b"def predict(" not in text


def _defines_model(code: Path) -> bool:
    """Whether a Python file has a method that predicts; what lies beside it then is its own affair."""
    try:
        return b"def predict(" in code.read_bytes()[:_CODE]
    except OSError:
        return False


def _look_beside_code(path: Path) -> Look:
    """A network's weights in the folder of its code."""
    if any(path.glob("*.safetensors")):
        return _SAFETENSORS
    if any(any(path.glob(f"*{suffix}")) for suffix in (".pt", ".pth", ".bin", ".ckpt")):
        return _PYTORCH
    return Look("", "a folder with the code of a PyTorch network, but no file of its weights")


def _is_text(head: bytes) -> bool:
    return b"\0" not in head
