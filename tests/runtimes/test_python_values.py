"""What a Python model takes and gives: rows, texts, frames, several outputs, streams; and results that are none."""

import numpy as np
import pytest
from python_models import write

from modelport.core.declared import declared_tensors
from modelport.core.errors import InvalidInputError, ModelFailedError
from modelport.core.runtime import LoadSpec, StreamingModel
from modelport.runtimes.isolation.model import load_isolated
from modelport.runtimes.python.runtime import PythonRuntime
from modelport.testing.runtime_contract import ModelCase, RuntimeContract


def load(folder, source, inputs=None, outputs=None):
    spec = LoadSpec(inputs=declared_tensors(inputs or {}), outputs=declared_tensors(outputs or {}))
    return PythonRuntime().load(write(folder, source), spec)


def method(text, body="return None", async_=False):
    return f"class Model:\n    {'async ' if async_ else ''}def predict(self, {text}:\n        {body}\n"


def texts(*items):
    return np.array([item.encode() for item in items] + [None], np.object_)[:-1]


X = np.arange(6, dtype=np.float32).reshape(2, 3)


def test_single_values_are_called_row_by_row(tmp_path):
    model = load(tmp_path, method("text: str, times: int = 2) -> str", "return text * times"))
    assert model.predict({"text": texts("a", "é")})["output"].tolist() == [b"aa", "éé".encode()]
    given = model.predict({"text": texts("a", "b"), "times": np.array([1, 3])})
    assert given["output"].tolist() == [b"a", b"bbb"]
    assert model.predict({"text": texts("a", "b"), "times": np.array([3])})["output"].tolist() == [b"aaa", b"bbb"]
    assert model.predict({"text": texts()})["output"].shape == (0,)
    with pytest.raises(InvalidInputError, match="different numbers of rows"):
        model.predict({"text": texts("a", "b", "c"), "times": np.array([1, 3])})


def test_texts_that_are_not_utf8(tmp_path):
    model = load(tmp_path, method("text: str) -> str", "return text"))
    with pytest.raises(InvalidInputError, match="not UTF-8"):
        model.predict({"text": np.array([b"\xff"], np.object_)})


def test_numbers_come_as_pythons_own(tmp_path):
    body = "return [type(a[0]).__name__, type(b[0]).__name__]"
    model = load(tmp_path, method("a: list[float], b: list[bool]) -> list[str]", body))
    given = model.predict({"a": np.zeros(2), "b": np.zeros(2, bool)})
    assert given["output"].tolist() == [b"float", b"bool"]


def test_one_row_at_a_time(tmp_path):
    source = method("x: Annotated[np.ndarray, 'FP32', (3,)]) -> float", "return float(x.sum())")
    model = load(tmp_path, source.replace(":\n", ":\n    batched = False\n", 1))
    assert model.predict({"x": X})["output"].tolist() == [3, 12]


@pytest.mark.parametrize(
    "body",
    [
        "return x.sum(1), x > 2",
        "return {'total': x.sum(1), 'large': x > 2}",
        "return Both(x.sum(1), x > 2)",
        "return Named(x.sum(1), x > 2)",
    ],
)
def test_several_outputs(tmp_path, body):
    source = (
        "@dataclasses.dataclass\nclass Both:\n    total: object\n    large: object\n"
        "class Named(NamedTuple):\n    total: object\n    large: object\n"
    )
    outputs = {"total": {"datatype": "FP64", "shape": [-1]}, "large": {"datatype": "BOOL", "shape": [-1, 3]}}
    model = load(tmp_path, source + method("x: Rows)", body), outputs=outputs)
    given = model.predict({"x": X})
    assert list(given) == ["total", "large"]
    assert given["total"].tolist() == [3, 12]
    assert given["total"].dtype == np.float64
    assert given["large"].tolist() == (X > 2).tolist()
    assert list(model.predict({"x": X}, ("large",))) == ["large"]


def test_a_dict_of_arrays(tmp_path):
    inputs = {"a": {"datatype": "FP32", "shape": [-1]}, "b": {"datatype": "FP32", "shape": [-1]}}
    source = method("all: dict[str, np.ndarray]) -> dict[str, np.ndarray]", "return {'y': all['a'] + all['b']}")
    model = load(tmp_path, source, inputs, {"y": {"datatype": "FP32", "shape": [-1]}})
    one = np.ones(2, np.float32)
    assert model.predict({"a": one, "b": one})["y"].tolist() == [2, 2]


def test_a_frame(tmp_path):
    pytest.importorskip("pandas")
    head = "import pandas as pd\n"
    source = head + method("x: Annotated[pd.DataFrame, ['a', 'b']]) -> list[float]", "return x['a'] + x['b']")
    assert load(tmp_path, source).predict({"x": np.ones((2, 2))})["output"].tolist() == [2, 2]
    columns = [{"name": "city", "categories": ["Bonn", "Rome"]}, {"name": "size"}]
    inputs = {"x": {"datatype": "BYTES", "kind": "tabular", "columns": columns}}
    source = head + method(
        "x: pd.DataFrame) -> list[str]", "return [f'{c} {s + 1}' for c, s in zip(x['city'], x['size'])]"
    )
    model = load(tmp_path, source, inputs)
    assert model.predict({"x": texts("Bonn", "2").reshape(1, 2)})["output"].tolist() == [b"Bonn 3.0"]
    with pytest.raises(InvalidInputError, match="'size' of 'x' takes numbers"):
        model.predict({"x": texts("Bonn", "large").reshape(1, 2)})


def test_coroutines_are_awaited(tmp_path):
    source = method("x: Rows) -> Rows", "await asyncio.sleep(0)\n        return x + self.one", async_=True)
    source += "    async def load(self, path):\n        await asyncio.sleep(0)\n        self.one = 1\n"
    model = load(tmp_path, source)
    np.testing.assert_array_equal(model.predict({"x": X})["output"], X + 1)
    model.close()


@pytest.mark.parametrize("way", ["generator", "async generator", "coroutine that gives a generator"])
def test_streams(tmp_path, way):
    body = "\n        ".join(
        [
            "try:",
            "    for word in text.split():",
            "        yield word.upper()",
            "finally:",
            "    (self.path / f'over-{time.monotonic_ns()}').touch()",
        ]
    )
    loads = "    def load(self, path):\n        self.path = path\n"
    sources = {
        "generator": method("text: str) -> Iterator[str]", body) + loads,
        "async generator": method("text: str) -> AsyncIterator[str]", f"await asyncio.sleep(0)\n        {body}", True)
        + loads,
        "coroutine that gives a generator": method(
            "text: str) -> Iterator[str]", "await asyncio.sleep(0)\n        return self.words(text)", True
        )
        + f"    def words(self, text):\n        {body}\n"
        + loads,
    }
    model = load(tmp_path, sources[way])
    assert isinstance(model, StreamingModel)
    given = [item["output"].tolist() for item in model.stream({"text": texts("one two three")})]
    assert given == [[b"ONE"], [b"TWO"], [b"THREE"]]
    assert model.predict({"text": texts("one two")})["output"].tolist() == [b"TWO"]
    stream = model.stream({"text": texts("one two")})
    next(stream)
    stream.close()
    assert len(list(tmp_path.glob("over-*"))) == 3
    with pytest.raises(InvalidInputError, match="one row at a time"):
        next(model.stream({"text": texts("a", "b")}))
    with pytest.raises(ModelFailedError, match="no response"):
        model.predict({"text": texts("")})
    model.close()


@pytest.mark.parametrize(
    ("hint", "body", "match"),
    [
        ("Rows", "return x[:, :2]", r"output 'output' with shape \[2, 2\], but it says \[-1, 3\]"),
        ("Rows", "return x.tolist()[0]", r"output 'output' with shape \[3\]"),
        ("Rows", "return None", "output 'output' as objects"),
        ("Rows", "return [['a'] * 3]", "output 'output' as <U1"),
        ("Rows", "return x + 1j", "output 'output' as complex64"),
        ("Rows", "return [[1, 2], [3]]", "output 'output' as what is no array"),
        ("list[int]", "return x[0]", "output 'output' as float32, but it says INT64"),
        ("list[bool]", "return [1, 2]", "output 'output' as int64, but it says BOOL"),
        ("list[str]", "return [1]", "output 'output' as int64, but it says BYTES"),
        ("list[str]", "return ['a', None]", "neither str nor bytes"),
        ("Annotated[np.ndarray, 'UINT8', (-1,)]", "return np.array([256])", "values that no UINT8 can hold"),
        ("tuple[float, float]", "return 1.0, 2.0, 3.0", "gave 3 values"),
        ("tuple[float, float]", "return [1.0, 2.0]", "gave a list, but has several outputs"),
        ("tuple[float, float]", "return {'output_0': 1.0}", "gave no output 'output_1'"),
    ],
)
def test_results_that_are_not_what_was_promised(tmp_path, hint, body, match):
    model = load(tmp_path, method(f"x: Rows) -> {hint}", body))
    with pytest.raises(ModelFailedError, match=match):
        model.predict({"x": X})


@pytest.mark.parametrize(
    ("hint", "body", "expected"),
    [
        ("Rows", "return x.astype(float)", X.tolist()),
        ("Rows", "return x.tolist()", X.tolist()),
        ("Rows", "return x.astype(int)", X.tolist()),
        ("Rows", "return x[::-1]", X[::-1].tolist()),
        ("Rows", "return []", None),
        ("list[float]", "return x[:, 0].tolist()", [0, 3]),
        ("list[str]", "return np.array(['a', 'b'])", [b"a", b"b"]),
        ("Annotated[np.ndarray, 'BF16', (-1,)]", "return x[0]", [0, 1, 2]),
        ("Annotated[np.ndarray, 'UINT8', (-1,)]", "return [True, 255]", [1, 255]),
        ("float", "return 2", [2.0]),
    ],
)
def test_results_are_cast_where_that_loses_nothing_but_precision(tmp_path, hint, body, expected):
    model = load(tmp_path, method(f"x: Rows) -> {hint}", body))
    if expected is None:
        with pytest.raises(ModelFailedError, match="shape"):
            model.predict({"x": X})
        return
    given = model.predict({"x": X})["output"]
    assert given.tolist() == expected
    assert given.flags.c_contiguous


def test_files_beside_the_model_can_be_read_and_imported(tmp_path):
    (tmp_path / "modelport_beside_it.py").write_text("def plus(x, y): return x + y")
    (tmp_path / "weights.txt").write_text("5")
    source = "from modelport_beside_it import plus\n" + method("x: float) -> float", "return plus(x, self.w)")
    source += "    def load(self, path):\n        self.w = float((path / 'weights.txt').read_text())\n"
    assert load(tmp_path, source).predict({"x": np.array([1.0])})["output"].tolist() == [6]


class IsolatedRuntime:
    """Python models as they are served: in processes of their own, which end with the test."""

    def __init__(self):
        self.opened = []

    def load(self, path, spec):
        model = load_isolated(path, "python", spec)
        self.opened.append(model)
        return model


CONTRACT = """
class Contract:
    def predict(self, x: Rows, names: list[str], scale: float = 1.0) -> tuple[Rows, list[str], Rows]:
        if x.size and x[0, 0] < 0:
            from modelport.core.errors import InvalidInputError
            raise InvalidInputError("x must not be negative")
        return x * scale, [name[::-1] for name in names], x
"""


@pytest.mark.parametrize("isolated", [False, True], ids=["here", "in a process"])
class TestContract(RuntimeContract):
    """A model with arrays, texts, an optional input, and an output that is the input itself."""

    @pytest.fixture
    def runtime(self, isolated):
        runtime = IsolatedRuntime() if isolated else PythonRuntime()
        yield runtime
        for model in getattr(runtime, "opened", []):
            model.close()

    @pytest.fixture
    def case(self, tmp_path):
        x = np.abs(X) + 1
        names = texts("abc", "é", "")
        expected = {"output_0": x, "output_1": texts("cba", "é", ""), "output_2": x}
        refused = {"x": -x, "names": names}
        path = write(tmp_path, CONTRACT)
        return ModelCase(path, {"x": x, "names": names}, expected, refused=(refused,))


def test_bytes_arrays_are_what_they_are_told_to_be(tmp_path):
    source = method("a: Annotated[NDArray[np.str_], (-1,)], b: Annotated[np.ndarray, 'BYTES', (-1,)]) -> list[str]",
                    "return [a.dtype.kind, type(b[0]).__name__]")  # fmt: skip
    given = load(tmp_path, source).predict({"a": texts("x"), "b": texts("y")})["output"]
    assert given.tolist() == [b"U", b"bytes"]
