"""Data sets of each form give the rows, labels and slices that stand in them; what is wrong is told with its row."""

import importlib.util
import json
import sys
import tracemalloc

import numpy as np
import pytest
from PIL import Image as Pillow

from evaluate.iris_data import IRIS, write_csv
from modelport.core.datatypes import bytes_array
from modelport.core.errors import InvalidInputError, MissingExtraError
from modelport.core.meaning import Column, Image, Tabular
from modelport.core.signature import Signature, TensorSpec
from modelport.evaluate.data.batch import fitted_tensors
from modelport.evaluate.data.columns import Asked
from modelport.evaluate.data.opening import open_data

OUTPUT = (TensorSpec("label", "INT64", (-1,)),)
PLAIN = Signature((TensorSpec("X", "FP32", (-1, 4)),), OUTPUT)
NAMED = Signature((TensorSpec("X", "FP32", (-1, 4), Tabular(tuple(map(Column, IRIS)))),), OUTPUT)
APART = Signature(tuple(TensorSpec(name, "FP32", (-1, 1)) for name in IRIS), OUTPUT)
TEXT = Signature((TensorSpec("text", "BYTES", (-1,)),), OUTPUT)


def needs(form):
    """Skip where what reads that form is not installed."""
    if form == "parquet":
        pytest.importorskip("pyarrow")


def everything(data, signature, rows=40):
    """All labels, slices and tensors."""
    labels, slices, tensors = [], {}, {}
    for batch in data.batches(rows):
        labels += batch.labels
        for name, values in batch.slices.items():
            slices.setdefault(name, []).extend(values)
        for name, array in fitted_tensors(batch, signature, data.facts.name).items():
            tensors.setdefault(name, []).append(array)
    return labels, slices, {name: np.concatenate(arrays) for name, arrays in tensors.items()}


@pytest.fixture(scope="module")
def files(tmp_path_factory, iris_rows):
    """The iris data in every form, its columns in another order than the model's."""
    folder = tmp_path_factory.mktemp("data")
    rows, species = iris_rows
    records = [
        {"site": "ab"[at % 2], "label": name, **dict(zip(reversed(IRIS), reversed(row.tolist()), strict=True))}
        for at, (row, name) in enumerate(zip(rows, species, strict=True))
    ]
    write_csv(folder / "iris.csv", records[0], [record.values() for record in records])
    lines = ["\t".join(map(str, line)) for line in [records[0], *(record.values() for record in records)]]
    (folder / "iris.tsv").write_text("\n".join(lines))
    (folder / "iris.jsonl").write_text("\n\n".join(map(json.dumps, records)))
    (folder / "iris.json").write_text(json.dumps(records))
    if importlib.util.find_spec("pyarrow"):
        import pyarrow as pa
        from pyarrow import parquet

        parquet.write_table(pa.Table.from_pylist(records), folder / "iris.parquet", row_group_size=60)
    np.savez(folder / "iris.npz", X=rows, label=species, site=np.array([record["site"] for record in records]))
    return folder


@pytest.mark.parametrize("form", ["csv", "tsv", "jsonl", "json", "parquet", "npz"])
def test_every_form_gives_the_same(form, files, iris_rows):
    needs(form)
    rows, species = iris_rows
    data = open_data(files / f"iris.{form}", NAMED, Asked(slices=("site",)))
    assert (data.facts.form, data.facts.label) == ({"tsv": "csv"}.get(form, form), "label")
    for _ in range(2):  # it can be gone through again
        labels, slices, tensors = everything(data, NAMED)
        assert labels == list(species)
        assert slices == {"site": ["a", "b"] * 75}
        np.testing.assert_array_equal(tensors["X"], rows.astype(np.float32))


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
def test_inputs_that_are_a_column_each(form, files, iris_rows):
    needs(form)
    rows, _ = iris_rows
    _, _, tensors = everything(open_data(files / f"iris.{form}", APART, Asked(ignored=("site",))), APART)
    np.testing.assert_array_equal(np.hstack([tensors[name] for name in IRIS]), rows.astype(np.float32))


def test_a_model_without_columns_takes_them_in_order(places, iris_rows):
    data = open_data(places.folder / "iris.csv", PLAIN, Asked(slices=("site",)))
    _, _, tensors = everything(data, PLAIN)
    np.testing.assert_array_equal(tensors["X"], iris_rows[0].astype(np.float32))


def test_a_file_without_a_header(tmp_path):
    path = tmp_path / "bare.csv"
    path.write_text("1,2,3,4,0\n5,6,7,8,1\n")
    data = open_data(path, PLAIN)
    assert data.facts.label == "4"
    labels, _, tensors = everything(data, PLAIN)
    assert labels == ["0", "1"]
    assert tensors["X"].tolist() == [[1, 2, 3, 4], [5, 6, 7, 8]]


def test_texts_with_commas_and_lines(tmp_path):
    path = write_csv(tmp_path / "t.csv", ["text", "y"], [["good, fine\nnice", "good"], ["42", "bad"]])
    labels, _, tensors = everything(open_data(path, TEXT), TEXT)
    assert labels == ["good", "bad"]
    np.testing.assert_array_equal(tensors["text"], bytes_array(np.array(["good, fine\nnice", "42"])))


def test_records_with_a_whole_row(tmp_path):
    path = tmp_path / "whole.jsonl"
    path.write_text('{"X": [1, 2, 3, 4], "target": true}\n')
    labels, _, tensors = everything(open_data(path, PLAIN), PLAIN)
    assert labels == [True]
    assert tensors["X"].tolist() == [[1, 2, 3, 4]]


def test_categories_and_missing_values(tmp_path):
    columns = Tabular((Column("country", categories=("FI", "SE")), Column("amount")))
    signature = Signature((TensorSpec("X", "FP32", (-1, 2), columns),), OUTPUT)
    path = tmp_path / "c.csv"
    path.write_text("amount,country,label\n1.5,SE,0\n,FI,1\n")
    _, _, tensors = everything(open_data(path, signature), signature)
    np.testing.assert_array_equal(tensors["X"], np.array([[1, 1.5], [0, np.nan]], np.float32))


def test_a_folder_for_each_class(tmp_path):
    spec = TensorSpec("image", "FP32", (-1, 2, 2), Image(2, 2, layout="HW"))
    signature = Signature((spec,), OUTPUT)
    for name, shade in (("dark", 10), ("light", 200)):
        (tmp_path / name / "more").mkdir(parents=True)
        for number in range(2):
            Pillow.new("L", (2, 2), shade + number).save(tmp_path / name / f"{number}.png")
        Pillow.new("L", (2, 2), shade + 2).save(tmp_path / name / "more" / "2.png")
    (tmp_path / "light" / "notes.txt").write_text("not a picture")
    data = open_data(tmp_path, signature)
    labels, _, tensors = everything(data, signature, rows=4)
    assert labels == ["dark"] * 3 + ["light"] * 3
    assert tensors["image"][:, 0, 0].tolist() == [10, 11, 12, 200, 201, 202]
    (tmp_path / "light" / "1.png").write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    with pytest.raises(InvalidInputError, match=r"light/1\.png: the"):
        everything(data, signature)
    with pytest.raises(InvalidInputError, match="does not say that it takes pictures"):
        everything(data, PLAIN)


def test_a_large_csv_is_read_as_a_stream(tmp_path):
    path = tmp_path / "large.csv"
    line = "1.25,2.5,3.75,5.0,0\n" * 1000
    with path.open("w") as file:
        file.write("a,b,c,d,label\n")
        for _ in range(400):
            file.write(line)
    tracemalloc.start()
    rows = sum(len(batch.labels) for batch in open_data(path, PLAIN).batches(256))
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert rows == 400_000
    assert most < path.stat().st_size / 4


LABELS = {
    ("a", "label", "target"): "label",
    ("a", "Target", "b"): "Target",
    ("y", "a"): "y",
    ("a", "diagnosis"): "diagnosis",
}


@pytest.mark.parametrize(("columns", "label"), LABELS.items(), ids=list(LABELS.values()))
def test_the_label_column_is_found_by_its_name(columns, label, tmp_path):
    path = write_csv(tmp_path / "l.csv", columns, [["x"] * len(columns)])
    assert open_data(path, PLAIN).facts.label == label


REFUSED = {
    "a,b,c,d,label\n1,2,3,4,0\n1,2,x,4,0\n": "f.csv, row 2: the CSV has 'x' where a number should be",
    "a,b,c,d,label\n1,2,3,4,0\n1,2,3,4,\n": "f.csv, row 2 has no value in the label column 'label'",
    "a,b,c,d,label\n1,2,3,4,0\n1,2,3,4\n": "f.csv, row 2 (line 3): it has 4 values, but there are 5 columns",
    "a,b,c,label\n1,2,3,0\n": "a row of the model's input X FP32 [-1, 4] has 4 values, but there are 3 columns beside",
    "a,b,a,label\n1,2,3,0\n": "the data has two columns named 'a'",
    "": "f.csv is empty",
}


@pytest.mark.parametrize(("text", "said"), REFUSED.items())
def test_what_does_not_fit_is_told_with_its_row(text, said, tmp_path):
    path = tmp_path / "f.csv"
    path.write_text(text)
    with pytest.raises(InvalidInputError) as told:
        everything(open_data(path, PLAIN), PLAIN)
    assert said in str(told.value)


def test_columns_that_the_model_takes_and_the_data_lacks(tmp_path):
    path = write_csv(tmp_path / "m.csv", [*IRIS[:3], "petal_widht", "label"], [[1, 2, 3, 4, 0]])
    with pytest.raises(InvalidInputError, match=r"lacks .*'petal_width' \(did you mean 'petal_widht'\?\)"):
        everything(open_data(path, NAMED), NAMED)
    path = write_csv(tmp_path / "n.csv", ["a", "b", "c", "d", "label"], [[1, 2, 3, 4, 0]])
    with pytest.raises(InvalidInputError, match=r"none of the model's columns.*takes sepal_length"):
        everything(open_data(path, NAMED), NAMED)


@pytest.mark.parametrize("asked", [Asked(label="lable"), Asked(slices=("lable",)), Asked(ignored=("lable",))])
def test_a_column_that_is_not_there(asked, places):
    with pytest.raises(InvalidInputError, match=r"no column 'lable' \(did you mean 'label'\?\); it has sepal_length"):
        open_data(places.folder / "iris.csv", NAMED, asked)


def test_without_a_label_column(tmp_path):
    path = write_csv(tmp_path / "w.csv", IRIS, [[1, 2, 3, 4]])
    with pytest.raises(InvalidInputError, match="name it with --label"):
        open_data(path, NAMED)


def test_records_that_name_more_than_the_first_one(tmp_path):
    columns = Tabular((Column("a"), Column("b", optional=True, default=7.0)))
    signature = Signature((TensorSpec("X", "FP32", (-1, 2), columns),), OUTPUT)
    path = tmp_path / "more.jsonl"
    path.write_text('{"a": 1, "label": 0}\n{"a": 2, "b": 3, "label": 0}\n')
    _, _, tensors = everything(open_data(path, signature), signature)
    assert tensors["X"].tolist() == [[1, 7], [2, 3]]
    path.write_text('{"a": 1, "b": 1, "c": 1, "d": 1, "label": 0}\n{"a": 1, "b": 1, "c": 1, "e": 1, "label": 0}\n')
    with pytest.raises(InvalidInputError, match=r"row 2: it has other names than the first row \(d, e\)"):
        everything(open_data(path, PLAIN), PLAIN)


RECORDS = {
    '{"X": [1, 2, 3, 4], "label": 0}\n{"X": [1, 2, 3, 4]': "r.jsonl, line 2: ",
    '{"X": [1, 2, 3, 4], "label": 0}\n[1]': "r.jsonl, line 2: it is not an object",
    '{"X": [1, 2, 3, 4], "label": 0}\n{"X": [1, 2, 3], "label": 0}': "r.jsonl, row 2: ",
    '{"X": [1, 2, 3, 4], "label": 0}\n{"X": [1, 2, 3, 4]}': "row 2 has no value in the label column 'label'",
    '{"X": [1, 2, 3, 4], "label": [0]}': "row 1: the label column 'label' takes a text or a number",
    "": "r.jsonl is empty",
}


@pytest.mark.parametrize(("text", "said"), RECORDS.items())
def test_records_that_are_wrong(text, said, tmp_path):
    path = tmp_path / "r.jsonl"
    path.write_text(text)
    with pytest.raises(InvalidInputError) as told:
        everything(open_data(path, PLAIN), PLAIN)
    assert said in str(told.value)


def test_files_that_are_no_data(tmp_path, places):
    for name, content, said in (
        ("a.xlsx", b"", "not a data set that can be read"),
        ("a.npz", b"PK", "can't be read as a numpy archive"),
        ("a.csv", b"\xff\xfe1", "not valid CSV"),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InvalidInputError, match=said):
            open_data(tmp_path / name, PLAIN)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InvalidInputError, match="no folders with pictures"):
        open_data(tmp_path / "empty", PLAIN)
    with pytest.raises(InvalidInputError, match="there is no data set"):
        open_data(tmp_path / "nothing.csv", PLAIN)


def test_a_parquet_file_that_is_none_and_one_that_can_not_be_read_here(tmp_path, monkeypatch):
    path = tmp_path / "a.parquet"
    path.write_bytes(b"PAR0")
    with monkeypatch.context() as patched:
        patched.setitem(sys.modules, "pyarrow", None)
        with pytest.raises(MissingExtraError, match=r"pip install 'modelport\[parquet\]'"):
            open_data(path, PLAIN)
    needs("parquet")
    with pytest.raises(InvalidInputError, match=r"a\.parquet can't be read as Parquet"):
        open_data(path, PLAIN)


def test_arrays_that_do_not_fit(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, X=np.zeros((3, 4)), y=np.zeros(2))
    with pytest.raises(InvalidInputError, match="do not have as many rows as each other: X has 3, y has 2"):
        open_data(path, PLAIN)
    np.savez(path, X=np.zeros((3, 5)), y=np.zeros(3))
    with pytest.raises(InvalidInputError, match=r"a\.npz, row 1: each row of input 'X' takes 4 values, not 5"):
        everything(open_data(path, PLAIN), PLAIN)
    np.savez(path, A=np.zeros((3, 4)), B=np.zeros((3, 4)), y=np.zeros(3))
    with pytest.raises(InvalidInputError, match="no array is called like the input X FP32"):
        everything(open_data(path, PLAIN), PLAIN)
