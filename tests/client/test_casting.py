import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from modelport.client.casting import cast, fitted
from modelport.core.datatypes import DTYPES
from modelport.core.errors import InvalidInputError
from modelport.core.signature import Signature, TensorSpec


def signature(*specs):
    return Signature(tuple(TensorSpec(name, datatype, shape) for name, datatype, shape in specs), ())


@pytest.mark.parametrize(
    ("value", "datatype", "wanted"),
    [
        (np.array([0.1]), "FP32", np.array([0.1], np.float32)),
        (np.array([0.1], np.float32), "FP64", np.array([0.1], np.float32).astype(np.float64)),
        (np.array([1.5]), "BF16", np.array([1.5], ml_dtypes.bfloat16)),
        (np.array([1.5], ml_dtypes.bfloat16), "FP32", np.array([1.5], np.float32)),
        (np.array([np.nan, np.inf]), "FP16", np.array([np.nan, np.inf], np.float16)),
        (np.array([3]), "FP32", np.array([3], np.float32)),
        (np.array([255]), "UINT8", np.array([255], np.uint8)),
        (np.array([True]), "INT32", np.array([1], np.int32)),
        (np.array([True]), "BOOL", np.array([True])),
        (np.zeros((0, 3)), "INT64", np.zeros((0, 3), np.int64)),
        (np.array([1, 2], ">i4"), "INT32", np.array([1, 2], np.int32)),
    ],
)
def test_what_is_cast(value, datatype, wanted):
    result = cast("X", value, datatype)
    assert result.dtype == DTYPES[datatype]
    np.testing.assert_array_equal(result, wanted)


@pytest.mark.parametrize(
    ("value", "datatype", "says"),
    [
        (np.array([1.5]), "INT64", "float64"),
        (np.array([256]), "UINT8", "0 to 255, but has the value 256"),
        (np.array([-1]), "UINT64", "-1"),
        (np.array([2**63], np.uint64), "INT64", str(2**63)),
        (np.array([1e300]), "FP32", "can't hold the value 1e"),
        (np.array([70000]), "FP16", "70000"),
        (np.array([1]), "BOOL", "int64"),
        (np.array(["a"]), "FP32", "<U1"),
        (np.array([1j]), "FP32", "complex128"),
        (np.array(["2020-01-01"], "datetime64[D]"), "INT64", "datetime64"),
        (np.array([1.0]), "BYTES", "element 0 is float"),
        (np.array(["a", None], np.object_), "BYTES", "element 1 is NoneType"),
    ],
)
def test_what_is_refused(value, datatype, says):
    with pytest.raises(InvalidInputError, match="'X'") as caught:
        cast("X", value, datatype)
    assert says in str(caught.value)


@given(hnp.arrays(hnp.integer_dtypes() | hnp.unsigned_integer_dtypes(), 3), st.sampled_from(sorted(DTYPES)))
def test_whole_numbers_never_change_their_value(array, datatype):
    if "INT" not in datatype:
        return
    try:
        result = cast("X", array, datatype)
    except InvalidInputError:
        limits = np.iinfo(DTYPES[datatype])
        assert any(not limits.min <= value <= limits.max for value in array.tolist())
    else:
        assert result.tolist() == array.tolist()


def test_bytes_keep_their_trailing_zeros():
    for known in (None, signature(("T", "BYTES", (-1,)))):
        assert fitted({"T": [b"a\x00", b"bc"]}, known)["T"].tolist() == [b"a\x00", b"bc"]
    assert fitted({"T": ["ü"]}, None)["T"].tolist() == ["ü".encode()]


def test_without_a_signature_an_array_keeps_its_type():
    assert fitted({"X": [[1, 2]]}, None)["X"].dtype == np.int64
    assert fitted({"X": np.array([1.0], ">f4")}, None)["X"].dtype == np.dtype("<f4")
    assert fitted({"X": np.float16(1)}, None)["X"].shape == ()
    with pytest.raises(InvalidInputError, match="complex64"):
        fitted({"X": np.zeros(1, np.complex64)}, None)


def test_a_bare_array_is_the_only_input():
    assert fitted([[1, 2]], signature(("X", "FP32", (-1, 2))))["X"].dtype == np.float32
    with pytest.raises(InvalidInputError, match=r"several inputs.*A FP32.*B FP32"):
        fitted([1], signature(("A", "FP32", (-1,)), ("B", "FP32", (-1,))))
    with pytest.raises(InvalidInputError, match="name: array"):
        fitted([1], None)


def test_unknown_names_and_datatypes_go_to_the_server():
    assert fitted({"other": np.array([1])}, signature(("X", "FP32", (-1,))))["other"].dtype == np.int64
    assert fitted({"X": np.array([1])}, signature(("X", "STRING", (-1,))))["X"].dtype == np.int64


def test_a_ragged_list_is_refused():
    with pytest.raises(InvalidInputError, match="'X' can't be made an array"):
        fitted({"X": [[1, 2], [3]]}, None)
