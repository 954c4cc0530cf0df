import ml_dtypes
import numpy as np
import pytest

from modelport.engine.rollouts.agreement import agree


def of(values, dtype=np.float32):
    return {"y": np.array(values, dtype)}


@pytest.mark.parametrize(
    ("expected", "given", "same"),
    [
        (of([1.0, 2.0]), of([1.0005, 2.0]), True),
        (of([1.0, 2.0]), of([1.01, 2.0]), False),
        (of([0.0]), of([9e-6]), True),
        (of([0.0]), of([2e-5]), False),
        (of([np.nan, np.inf]), of([np.nan, np.inf]), True),
        (of([1.0]), of([np.nan]), False),
        (of([np.nan]), of([1.0]), False),
        (of([1.0]), of([1.0], np.float64), True),
        (of([1.0], ml_dtypes.bfloat16), of([1.0], ml_dtypes.bfloat16), True),
        (of([1.0], ml_dtypes.bfloat16), of([1.5], ml_dtypes.bfloat16), False),
        (of([1000], np.int64), of([1001], np.int64), False),
        (of([b"yes"], object), of([b"yes"], object), True),
        (of([b"yes"], object), of([b"no"], object), False),
        (of([[1.0, 2.0]]), of([1.0, 2.0]), False),
        (of([]), of([]), True),
        (of([1.0]), {**of([1.0]), "more": np.zeros(3)}, True),
        ({**of([1.0]), "more": np.zeros(3)}, of([1.0]), False),
    ],
)
def test_agreement(expected, given, same):
    assert agree(expected, given) is same
