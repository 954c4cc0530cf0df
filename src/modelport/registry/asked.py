"""What callers ask for, so that a database can look for it: whatever can't be there is just not found."""

from __future__ import annotations

from modelport.registry.references import check_text

#: As many as a list gives at most.
LARGEST_PAGE = 1000


def page(limit: int) -> int:
    """How many a list gives."""
    return min(max(limit, 1), LARGEST_PAGE)


def asked_name(name: str) -> str:
    """A model's name. Raises InvalidInputError for what no database takes."""
    return check_text(name, "the model's name")


def asked_number(number: int) -> int:
    """A version's number: no column holds a larger one."""
    return min(max(number, 0), 2**31 - 1)


def asked_id(number: int) -> int:
    """The number of a rollout, an evaluation, a job or an event."""
    return min(max(number, 0), 2**62)
