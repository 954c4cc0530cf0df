"""A Python model's signature: from its type hints, and from modelport.toml where they leave something open."""

import tomllib

import pytest
from python_models import write

from modelport.core.declared import declared_tensors
from modelport.core.errors import InvalidInputError, InvalidModelError
from modelport.core.meaning import Column, Labels, Tabular, Text
from modelport.core.runtime import LoadSpec
from modelport.runtimes.catalog import detect
from modelport.runtimes.python.runtime import PythonRuntime

FIELDS = "    label: Annotated[np.ndarray, 'INT64', (-1,)]\n    score: Annotated[np.ndarray, 'FP32', (-1, 2)]"


def load(folder, source, toml="", **options):
    tables = tomllib.loads(toml)
    spec = LoadSpec(
        options=options,
        inputs=declared_tensors(tables.get("inputs", {})),
        outputs=declared_tensors(tables.get("outputs", {})),
    )
    return PythonRuntime().load(write(folder, source), spec)


def method(text, body="return None"):
    return f"class Model:\n    def predict(self, {text}:\n        {body}\n"


def described(specs):
    return [(spec.name, spec.datatype, spec.shape) for spec in specs]


@pytest.mark.parametrize(
    ("hints", "inputs", "outputs"),
    [
        ("x: Rows) -> Rows", [("x", "FP32", (-1, 3))], [("output", "FP32", (-1, 3))]),
        (
            "x: Annotated[NDArray[np.int16], (-1, 2)]) -> Annotated[np.ndarray, 'BOOL', (-1,)]",
            [("x", "INT16", (-1, 2))],
            [("output", "BOOL", (-1,))],
        ),
        ("a: str, b: float) -> int", [("a", "BYTES", (-1,)), ("b", "FP64", (-1,))], [("output", "INT64", (-1,))]),
        ("a: list[str]) -> list[bool]", [("a", "BYTES", (-1,))], [("output", "BOOL", (-1,))]),
        ("a: np.float32) -> np.uint8", [("a", "FP32", (-1,))], [("output", "UINT8", (-1,))]),
        (
            "x: Rows, scale: float = 1.0) -> float",
            [("x", "FP32", (-1, 3)), ("scale", "FP64", (1,))],
            [("output", "FP64", (1,))],
        ),
        (
            "x: 'str | None' = None) -> tuple[str, float]",
            [("x", "BYTES", (1,))],
            [("output_0", "BYTES", (1,)), ("output_1", "FP64", (1,))],
        ),
        ("n: int) -> Iterator[str]", [("n", "INT64", (-1,))], [("output", "BYTES", (-1,))]),
        ("n: int) -> AsyncIterator[float]", [("n", "INT64", (-1,))], [("output", "FP64", (-1,))]),
    ],
)
def test_hints_give_the_signature(tmp_path, hints, inputs, outputs):
    signature = load(tmp_path, method(hints)).signature
    assert described(signature.inputs) == inputs
    assert described(signature.outputs) == outputs


@pytest.mark.parametrize(
    "kind",
    [
        f"class Both(TypedDict):\n{FIELDS}",
        f"@dataclasses.dataclass\nclass Both:\n{FIELDS}",
        f"class Both(NamedTuple):\n{FIELDS}",
    ],
)
def test_several_outputs_have_the_names_of_fields(tmp_path, kind):
    signature = load(tmp_path, f"{kind}\n\n{method('x: Rows) -> Both')}").signature
    assert described(signature.outputs) == [("label", "INT64", (-1,)), ("score", "FP32", (-1, 2))]


def test_what_hints_leave_open_is_declared_beside_the_model(tmp_path):
    toml = """
    [inputs.x]
    datatype = "FP32"
    shape = [-1, 4]
    [outputs.kind]
    datatype = "INT64"
    shape = [-1]
    kind = "labels"
    labels = ["no", "yes"]
    """
    signature = load(tmp_path, method("x)"), toml).signature
    assert described(signature.inputs) == [("x", "FP32", (-1, 4))]
    assert described(signature.outputs) == [("kind", "INT64", (-1,))]
    assert signature.outputs[0].meaning == Labels(("no", "yes"))


def test_a_dict_takes_all_that_is_declared(tmp_path):
    one = 'datatype = "FP32"\nshape = [-1]'
    toml = f"[inputs.a]\n{one}\n[inputs.b]\n{one.replace('FP32', 'BYTES')}\n[outputs.y]\n{one}"
    signature = load(tmp_path, method("everything: dict[str, np.ndarray]) -> dict[str, np.ndarray]"), toml).signature
    assert described(signature.inputs) == [("a", "FP32", (-1,)), ("b", "BYTES", (-1,))]
    assert described(signature.outputs) == [("y", "FP32", (-1,))]


def test_a_frame_has_the_columns_that_are_named(tmp_path):
    pytest.importorskip("pandas")
    source = "import pandas as pd\n" + method("x: Annotated[pd.DataFrame, ['age', 'height']]) -> list[float]")
    signature = load(tmp_path, source).signature
    assert described(signature.inputs) == [("x", "FP64", (-1, 2))]
    assert signature.inputs[0].meaning == Tabular((Column("age"), Column("height")))
    toml = '[inputs.x]\ndatatype = "FP32"\nkind = "tabular"\ncolumns = ["a", "b", "c"]'
    signature = load(tmp_path, "import pandas as pd\n" + method("x: pd.DataFrame) -> list[float]"), toml).signature
    assert described(signature.inputs) == [("x", "FP32", (-1, 3))]


def test_texts_mean_text(tmp_path):
    assert load(tmp_path, method("x: list[str]) -> list[float]")).signature.inputs[0].meaning == Text()


def test_a_method_that_takes_one_row_at_a_time(tmp_path):
    source = method("x: Annotated[np.ndarray, 'FP32', (4,)]) -> Annotated[np.ndarray, 'FP32', ()]")
    signature = load(tmp_path, source.replace(":\n", ":\n    batched = False\n", 1)).signature
    assert described((*signature.inputs, *signature.outputs)) == [("x", "FP32", (-1, 4)), ("output", "FP32", (-1,))]


@pytest.mark.parametrize(
    ("hints", "wanted"),
    [
        (
            "x)",
            '[inputs.x]\ndatatype = "FP32"\nshape = [-1, 4]\n\n[outputs.output]\ndatatype = "FP32"\nshape = [-1, 4]',
        ),
        ("x: NDArray[np.float32]) -> float", "[inputs.x]\nshape = [-1, 4]"),
        ("x: Rows) -> np.ndarray", '[outputs.output]\ndatatype = "FP32"\nshape = [-1, 4]'),
        ("x: dict[str, np.ndarray]) -> float", '[inputs.x]\ndatatype = "FP32"\nshape = [-1, 4]'),
    ],
)
def test_what_is_missing_is_written_out(tmp_path, hints, wanted):
    with pytest.raises(InvalidModelError) as caught:
        load(tmp_path, method(hints))
    text = str(caught.value)
    assert wanted in text
    assert "modelport.toml" in text
    tomllib.loads(text.partition("\n\n")[2])


@pytest.mark.parametrize(
    ("source", "toml", "match"),
    [
        (method("x: Rows, *rest) -> Rows"), "", r"\*rest can't be an input"),
        (method(") -> Rows"), "", "takes nothing"),
        (method("x: set) -> Rows"), "", "'x' has the type set, which stands for no tensor"),
        (method("x: Rows) -> 'Nowhere'"), "", "type hints can't be read: NameError"),
        (method("x: Rows) -> Rows"), "[inputs.y]\nshape = [-1]", r"has no input 'y'.*it has x"),
        (method("x: Rows) -> Rows"), "[outputs.outptu]\nshape = [-1]", ""),
        (method("x: Rows, y: dict) -> Rows"), "", "takes all inputs in a dict"),
        (method("x: str) -> str"), "[inputs.x]\nshape = [4]", r"shape = \[-1, 4\]"),
        ("x = 1", "", "has no class with a method predict"),
        (
            method("x: Rows) -> Rows") + method("x: Rows) -> Rows").replace("Model", "Other"),
            "",
            r"2 classes .*Model, Other",
        ),
        ("class Model:\n    def predict(self, x:\n", "", r"can't be run \(line \d+\): SyntaxError"),
        ("import no_such_module_at_all", "", "needs the module 'no_such_module_at_all'.*requirements.txt"),
        ("raise SystemExit(3)", "", "SystemExit"),
        (
            method("x: Rows) -> Rows") + "    def load(self, path):\n        open(path / 'weights')\n",
            "",
            r"Model.load failed \(line \d+\): FileNotFoundError",
        ),
    ],
)
def test_what_is_wrong_with_a_file_is_said(tmp_path, source, toml, match):
    if not match:
        assert load(tmp_path, source, toml).signature.outputs[0].name == "outptu"
        return
    with pytest.raises(InvalidModelError, match=match) as caught:
        load(tmp_path, source, toml)
    assert "model.py" in str(caught.value)


def test_the_class_can_be_named(tmp_path):
    source = method("x: str) -> str") + method("x: int) -> int").replace("Model", "Other")
    assert load(tmp_path, source, **{"class": "Other"}).signature.inputs[0].datatype == "INT64"
    with pytest.raises(InvalidModelError, match=r"no class 'Othr' .*did you mean 'Other'"):
        load(tmp_path, source, **{"class": "Othr"})
    with pytest.raises(InvalidInputError, match="unknown option 'klass'"):
        load(tmp_path, source, klass="Other")


def test_a_python_file_is_told_by_its_name_and_a_folder_by_its_model(tmp_path):
    assert detect(write(tmp_path, method("x: str) -> str"), "anything.py")) == "python"
    with pytest.raises(InvalidModelError):
        detect(tmp_path)
    write(tmp_path, method("x: str) -> str"))
    assert detect(tmp_path) == "python"


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(InvalidModelError, match="nowhere"):
        PythonRuntime().load(tmp_path / "nowhere.py", LoadSpec())
