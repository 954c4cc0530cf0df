"""Opening a labelled data set by what it is: a folder of classes, or a file by its suffix."""

from __future__ import annotations

from pathlib import Path

from modelport.core.errors import InvalidInputError
from modelport.core.nearest import did_you_mean
from modelport.core.signature import Signature
from modelport.evaluate.data.batch import DataSet
from modelport.evaluate.data.class_folders import ClassFolders
from modelport.evaluate.data.columns import Asked
from modelport.evaluate.data.csv_file import CsvFile
from modelport.evaluate.data.npz_file import NpzFile
from modelport.evaluate.data.records_file import RecordsFile

#: Suffix → what reads such a file.
FORMATS: dict[str, type[CsvFile] | type[RecordsFile] | type[NpzFile]] = {
    ".csv": CsvFile,
    ".tsv": CsvFile,
    ".jsonl": RecordsFile,
    ".ndjson": RecordsFile,
    ".json": RecordsFile,
    ".parquet": RecordsFile,
    ".npz": NpzFile,
}


def open_data(path: Path, signature: Signature, asked: Asked | None = None) -> DataSet:
    """The data set at `path`, for a model of that signature: its names tell features from the label.

    Raises InvalidInputError naming what is missing or can't be read, MissingExtraError for a format that takes more.
    """
    asked = asked or Asked()
    if path.is_dir():
        return ClassFolders(path, signature, asked)
    if not path.is_file():
        raise InvalidInputError(f"there is no data set {str(path)!r}")
    reader = FORMATS.get(path.suffix.lower())
    if reader is None:
        known = ", ".join(FORMATS)
        raise InvalidInputError(
            f"{path.name} is not a data set that can be read{did_you_mean(path.suffix, FORMATS)}: files are told by "
            f"their suffix ({known}), and a folder has one folder for each class"
        )
    return reader(path, signature, asked)
