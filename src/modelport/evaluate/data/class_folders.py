"""A folder with one folder for each class, in which its pictures (or recordings) lie."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from modelport.core.datatypes import Array
from modelport.core.errors import InvalidInputError, ModelportError
from modelport.core.signature import Signature
from modelport.evaluate.data.batch import Batch, ColumnsError, DataFacts
from modelport.evaluate.data.columns import Asked
from modelport.wire.media import files_tensor, takes_files

SUFFIXES = frozenset((".png", ".jpg", ".jpeg", ".webp", ".wav"))


class ClassFolders:
    """The files below a folder, labelled by the folder that each lies in. Files are read when their batch is."""

    def __init__(self, path: Path, signature: Signature, asked: Asked) -> None:
        """Lists the files. Raises InvalidInputError where there are none, or for columns, which files do not have."""
        if asked != Asked():
            raise InvalidInputError(f"{path.name} is a folder of classes: it has no columns to be named")
        self._root = path
        folders = sorted(folder for folder in path.iterdir() if folder.is_dir() and not folder.name.startswith("."))
        self._files = [
            file for folder in folders for file in sorted(folder.rglob("*")) if file.suffix.lower() in SUFFIXES
        ]
        if not self._files:
            raise InvalidInputError(
                f"{path} has no folders with pictures: a folder for each class is needed, such as {path.name}/cat/1.png"
            )
        self.facts = DataFacts(path.name, "folders", "(folder)")

    def batches(self, rows: int) -> Iterator[Batch]:
        """All files in the order of their classes and names."""
        for start in range(0, len(self._files), rows):
            yield FileBatch(self._root, tuple(self._files[start : start + rows]))


@dataclass(frozen=True, slots=True)
class FileBatch:
    """Some files of classes."""

    root: Path
    files: tuple[Path, ...]

    @property
    def labels(self) -> Sequence[str]:
        return [file.relative_to(self.root).parts[0] for file in self.files]

    @property
    def slices(self) -> Mapping[str, Sequence[str]]:
        return {}

    def tensors(self, signature: Signature) -> dict[str, Array]:
        """The pictures as the server decodes them, for the model's only input of files."""
        inputs = [spec for spec in signature.inputs if not spec.optional]
        if len(inputs) != 1 or not takes_files(inputs[0]):
            wanted = "; ".join(spec.describe() for spec in signature.inputs)
            raise ColumnsError(
                f"the model does not say that it takes pictures or recordings, but {wanted}: its signature can say so "
                'in modelport.toml (kind = "image")'
            )
        try:
            return {inputs[0].name: files_tensor([file.read_bytes() for file in self.files], inputs[0])}
        except InvalidInputError:
            raise
        except (OSError, ModelportError) as error:
            raise InvalidInputError(str(error)) from None

    def part(self, start: int, stop: int) -> FileBatch:
        return FileBatch(self.root, self.files[start:stop])

    def where(self, row: int) -> str:
        return self.files[row].relative_to(self.root).as_posix()
