"""Whether two versions gave the same answer to one request."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from modelport.core.datatypes import Array

#: Floating-point numbers agree where they differ by less than this, relative to what is expected and absolutely.
RELATIVE, ABSOLUTE = 1e-3, 1e-5


def agree(expected: Mapping[str, Array], given: Mapping[str, Array]) -> bool:
    """Whether every expected output was given, and is the same.

    The same means: the same shape; floating-point numbers within a thousandth (or 0.00001), NaN where NaN was expected;
    everything else, labels above all, exactly. Further outputs that were given do not matter.
    """
    return all(name in given and _same(array, given[name]) for name, array in expected.items())


def _same(expected: Array, given: Array) -> bool:
    if expected.shape != given.shape:
        return False
    if _is_real(expected) and _is_real(given):
        return bool(
            np.allclose(
                given.astype(np.float64), expected.astype(np.float64), rtol=RELATIVE, atol=ABSOLUTE, equal_nan=True
            )
        )
    return bool(np.array_equal(expected, given))


def _is_real(array: Array) -> bool:
    """Whether it has floating-point numbers, those of `ml_dtypes` among them."""
    return array.dtype.kind == "f" or array.dtype.name.startswith(("bfloat", "float8"))
