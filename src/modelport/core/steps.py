"""Times that follow each other in steps such as `15min` or `1month`: those of a forecast's values."""

from __future__ import annotations

import re
from calendar import monthrange
from datetime import date, datetime, timedelta

_STEP = re.compile(r"(\d{0,6})\s*(s|min|h|d|w|month|quarter|year)s?")
_SECONDS = {"s": 1, "min": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_MONTHS = {"month": 1, "quarter": 3, "year": 12}


def later(start: str, step: str, count: int) -> str:
    """The time `count` steps after `start`, written as `start` is: a date stays one where the steps are days.

    A month later than the 31st is the last day of a shorter month. Raises ValueError for what is no time or no step.
    """
    number, unit = _parsed(step)
    moment = _moment(start)
    try:
        if unit in _MONTHS:
            moved: datetime = _months_later(moment, count * number * _MONTHS[unit])
        else:
            moved = moment + timedelta(seconds=count * number * _SECONDS[unit])
    except (OverflowError, ValueError):
        raise ValueError(f"{count} steps of {step} after {start} are beyond the year 9999") from None
    if _is_date(start) and unit not in ("s", "min", "h"):
        return moved.date().isoformat()
    text = moved.isoformat()
    return text.replace("+00:00", "Z") if start.endswith("Z") else text


def _parsed(step: str) -> tuple[int, str]:
    found = _STEP.fullmatch(step.strip())
    number = int(found[1] or 1) if found else 0
    if found is None or not number:
        raise ValueError(f"'step' must be a time such as 15min, 1h, 1d, 1w, 1month or 1year, not {step!r}")
    return number, found[2]


def _moment(start: str) -> datetime:
    try:
        return datetime.fromisoformat(start)
    except ValueError:
        raise ValueError(
            f"'start' must be a date or a time as ISO 8601 writes it (2026-01-31, 2026-01-31T12:00Z), not {start!r}"
        ) from None


def _is_date(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def _months_later(moment: datetime, months: int) -> datetime:
    year, month = divmod(moment.year * 12 + moment.month - 1 + months, 12)
    return moment.replace(year=year, month=month + 1, day=min(moment.day, monthrange(year, month + 1)[1]))
