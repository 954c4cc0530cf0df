"""Arrays in NumPy's own file format: all that numpy.save writes and nothing that could do harm."""

import io

import numpy as np
import pytest
from wire_cases import one_input, refusal

from modelport.core.datatypes import DTYPES
from modelport.wire.arrays import tensor_from_array
from modelport.wire.npy import array_from_npy, npy_from_array


def saved(array, **options):
    made = io.BytesIO()
    np.save(made, array, **options)
    return made.getvalue()


@pytest.mark.parametrize(
    "array",
    [
        np.arange(6, dtype=np.float32).reshape(2, 3),
        np.arange(6, dtype=">f8").reshape(2, 3),
        np.asfortranarray(np.arange(6, dtype=np.int64).reshape(2, 3)),
        np.array([True, False]),
        np.array(["ä", "bc"]),
        np.array([b"x", b"yz"]),
        np.float64(3.5),
        np.arange(3, dtype=np.uint8),
    ],
    ids=lambda array: str(array.dtype),
)
def test_what_numpy_saves_is_read(array):
    found = array_from_npy(saved(array))
    assert found.dtype.isnative
    assert found.flags.aligned
    assert found.tolist() == array.tolist()
    assert np.load(io.BytesIO(npy_from_array(found))).tolist() == array.tolist()


def test_objects_are_refused_and_never_unpickled():
    class Trap:
        def __reduce__(self):
            return pytest.fail, ("it was unpickled",)

    raw = saved(np.array([Trap()], object), allow_pickle=True)
    assert "Python objects (pickle), which are never loaded" in refusal(array_from_npy, raw)


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"", "not a .npy file"),
        (b"PK\x03\x04" + bytes(40), "not a .npy file"),
        (b"\x93NUMPY\x01\x00\x05\x00abcde", "header is not valid"),
        (b"\x93NUMPY\x01\x00\xff\xff" + b"(" * 70000, "header is not valid"),
        (b"\x93NUMPY\x09\x00" + bytes(100), "header is not valid"),
        (saved(np.zeros(3))[:-1], "has 23 bytes of data, but its shape [3] of float64 needs 24"),
        (saved(np.zeros(3)) + b"x", "has 25 bytes"),
        (saved(np.zeros((0, 3))), "holds no rows"),
        (saved(np.zeros(2, "f4,i4")), "send numbers, booleans or texts"),
        (saved(np.zeros(2, "M8[s]")), "send numbers, booleans or texts"),
        (saved(np.zeros(2, "c8")), "send numbers, booleans or texts"),
        (saved(np.zeros(2)).replace(b"(2,)", b"(-2,)"), ""),
        (saved(np.zeros(2)).replace(b"(2,), ", b"(2**70"), "header is not valid"),
    ],
)
def test_what_is_no_plain_array_is_refused(raw, words):
    assert words in refusal(array_from_npy, raw)


@pytest.mark.parametrize("datatype", [name for name in DTYPES if name != "BYTES"])
def test_whole_numbers_become_any_datatype(datatype):
    spec = one_input(datatype, (-1, 2)).inputs[0]
    made = tensor_from_array(spec, np.array([[1, 0], [0, 1]], np.int64))
    assert made.dtype == DTYPES[datatype]
    assert made.astype(float).tolist() == [[1, 0], [0, 1]]


@pytest.mark.parametrize(
    ("datatype", "array", "words"),
    [
        ("INT32", np.array([[1.5, 2]]), "not whole numbers"),
        ("INT32", np.array([[np.nan, 2]]), "not whole numbers"),
        ("UINT8", np.array([[300, 2]]), "outside 0 to 255"),
        ("UINT8", np.array([[-1, 2]]), "outside 0 to 255"),
        ("INT64", np.array([[2.0**63, 2]]), "outside"),
        ("BOOL", np.array([[2, 1]]), "other than 0 and 1"),
        ("FP16", np.array([[70000, 1]]), "outside"),
        ("BF16", np.array([[1e39, 1]]), "outside"),
        ("FP32", np.array([[1e39, 1]]), "outside"),
        ("FP32", np.array([["a", "b"]]), "takes numbers (FP32)"),
        ("BYTES", np.array([[1, 2]]), "takes texts (BYTES)"),
        ("FP32", np.zeros((0, 2)), "no rows"),
        ("FP32", np.zeros((2, 3)), "each row of input 'x' takes 2 values, not 3"),
    ],
)
def test_no_value_becomes_another_one(datatype, array, words):
    assert words in refusal(tensor_from_array, one_input(datatype, (-1, 2)).inputs[0], array)


def test_infinities_and_nan_stay():
    spec = one_input("FP32", (-1, 2)).inputs[0]
    assert np.isinf(tensor_from_array(spec, np.array([[np.inf, 1.0]])))[0, 0]
    assert np.isnan(tensor_from_array(spec, np.array([[np.nan, 1.0]])))[0, 0]


def test_a_single_row_gets_its_batch_dimension():
    spec = one_input("FP32", (-1, 3)).inputs[0]
    assert tensor_from_array(spec, np.arange(3)).shape == (1, 3)
