"""The error tree."""

import pytest

from modelport.core import errors
from modelport.core.errors import Kind, ModelportError

CLASSES = [item for item in vars(errors).values() if isinstance(item, type) and issubclass(item, ModelportError)]


def test_each_kind_has_one_class():
    kinds = [item.kind for item in CLASSES if item is not ModelportError]
    assert sorted(kinds) == sorted(Kind)


@pytest.mark.parametrize("error", CLASSES)
def test_its_text_is_what_the_caller_reads(error):
    assert str(error("the thing is wrong")) == "the thing is wrong"
    assert error.__doc__


def test_the_root_is_a_defect_of_the_server():
    assert ModelportError.kind is Kind.INTERNAL
