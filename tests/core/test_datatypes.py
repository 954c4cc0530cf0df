"""The datatypes of the protocol and the arrays that carry them."""

import ml_dtypes
import numpy as np
import pytest

from modelport.core.datatypes import (
    DTYPES,
    FLOATS,
    INTEGERS,
    bytes_array,
    datatype_of,
    dtype_of,
    integer_range,
    text_array,
)
from modelport.core.errors import InvalidInputError, ModelFailedError


def texts(*items, shape=None):
    array = np.empty(len(items), object)
    array[:] = items
    return array if shape is None else array.reshape(shape)


def test_the_datatypes_of_the_protocol():
    assert list(DTYPES) == (
        [
            "BOOL",
            "UINT8",
            "UINT16",
            "UINT32",
            "UINT64",
            "INT8",
            "INT16",
            "INT32",
            "INT64",
            "FP16",
            "BF16",
            "FP32",
            "FP64",
            "BYTES",
        ]
    )
    assert {name for name in DTYPES if name.startswith(("INT", "UINT"))} == INTEGERS
    assert {"FP16", "BF16", "FP32", "FP64"} == FLOATS


@pytest.mark.parametrize("name", DTYPES)
def test_there_and_back(name):
    assert datatype_of(np.empty(3, dtype_of(name))) == name


def test_bfloat16_is_the_shared_one():
    assert dtype_of("BF16") == np.dtype(ml_dtypes.bfloat16)


@pytest.mark.parametrize("array", [np.array(["a"]), np.array([b"a"])])
def test_numpys_own_texts_are_bytes(array):
    assert datatype_of(array) == "BYTES"


@pytest.mark.parametrize("name", ["fp32", "FLOAT", "STRING", ""])
def test_a_datatype_that_does_not_exist(name):
    with pytest.raises(InvalidInputError) as caught:
        dtype_of(name)
    assert str(caught.value).startswith(f"unknown datatype {name!r}; the datatypes are BOOL, UINT8, ")
    assert str(caught.value).endswith(", FP64, BYTES")


@pytest.mark.parametrize("dtype", [np.complex64, ">f4", "M8[s]", ml_dtypes.float8_e4m3fn])
def test_an_array_that_no_datatype_carries(dtype):
    with pytest.raises(ModelFailedError, match=r"^the model gave an array of dtype .*, which has no datatype"):
        datatype_of(np.empty(1, dtype))


@pytest.mark.parametrize("shape", [(4,), (2, 2), (1, 4, 1)])
def test_text_to_bytes(shape):
    given = bytes_array(texts("a", "ü\0", b"\xff\0", "", shape=shape))
    assert (given.dtype, given.shape) == (np.dtype(object), shape)
    assert given.ravel().tolist() == [b"a", "ü\0".encode(), b"\xff\0", b""]
    assert given.flags.c_contiguous


@pytest.mark.parametrize("shape", [(), (0,), (3, 0)])
def test_few_texts(shape):
    array = np.full(shape, "é", object)
    assert bytes_array(array).shape == shape
    assert text_array(bytes_array(array), "x").tolist() == array.tolist()


def test_texts_of_one_length_stay_texts():
    """numpy must not make a matrix of characters, nor cut what ends in zero bytes."""
    assert bytes_array(texts("ab", "cd")).tolist() == [b"ab", b"cd"]
    assert text_array(texts(b"a\0", b"b\0"), "x").tolist() == ["a\0", "b\0"]


def test_scattered_and_unicode_arrays():
    array = texts("a", "b", "c", "d", shape=(2, 2)).T
    assert bytes_array(array).tolist() == [[b"a", b"c"], [b"b", b"d"]]
    assert bytes_array(np.array([["x", "yy"]])).tolist() == [[b"x", b"yy"]]


def test_bytes_to_text():
    given = text_array(texts(b"a", "ü".encode(), "as it is", shape=(3, 1)), "x")
    assert given.tolist() == [["a"], ["ü"], ["as it is"]]


@pytest.mark.parametrize("broken", [b"\xff", b"ok\xc3", b"\xed\xa0\x80"])
def test_bytes_that_are_no_text(broken):
    with pytest.raises(InvalidInputError, match=r"^element 2 of 'words' is not UTF-8 text$"):
        text_array(texts(b"a", "s", broken, broken, shape=(2, 2)), "words")


@pytest.mark.parametrize("name", sorted(INTEGERS))
def test_the_range_of_integers(name):
    info = np.iinfo(dtype_of(name))
    assert integer_range(name) == (info.min, info.max)
