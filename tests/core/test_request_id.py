import multiprocessing
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from modelport.core.errors import InvalidInputError
from modelport.core.request_id import RequestId, new_request_id, parse_request_id, process_token


def _some(count: int) -> list[str]:
    return [new_request_id(3) for _ in range(count)]


def test_an_id_says_which_rollout_and_version_it_came_from() -> None:
    parsed = parse_request_id(new_request_id(7, rollout=12))
    assert (parsed.rollout, parsed.version) == (12, 7)
    assert parse_request_id(new_request_id(7)).rollout == 0


def test_an_id_is_what_its_parts_say() -> None:
    text = new_request_id(41)
    assert str(parse_request_id(text)) == text
    assert parse_request_id(text).process == process_token()


def test_numbers_rise_by_one() -> None:
    first, second = (parse_request_id(item).number for item in _some(2))
    assert second == first + 1


def test_ids_are_short_and_plain() -> None:
    longest = new_request_id(2**31 - 1, rollout=99999)
    assert len(longest) <= 40
    assert longest.isascii()
    assert set(longest) <= set("0123456789abcdefghijklmnopqrstuv-")


def test_threads_never_get_the_same() -> None:
    with ThreadPoolExecutor(4) as threads:
        given = [item for some in threads.map(_some, [2000] * 8) for item in some]
    assert len(set(given)) == len(given)


def test_a_forked_process_draws_anew() -> None:
    context = multiprocessing.get_context("fork")
    with context.Pool(2) as pool:
        given = [*_some(50), *(item for some in pool.map(_some, [50, 50], 1) for item in some)]
    assert len(set(given)) == len(given)
    assert len({parse_request_id(item).process for item in given}) >= 2


def test_a_restart_draws_anew() -> None:
    code = "from modelport.core.request_id import new_request_id; print(new_request_id(1))"
    given = [subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True) for _ in range(2)]
    assert len({parse_request_id(item.stdout.strip()).process for item in given}) == 2


def test_parse() -> None:
    parsed = parse_request_id("12-4-a7k2m9q4s1bv1f")
    assert parsed == RequestId(12, 4, "a7k2m9q4s1bv1f")
    assert (parsed.process, parsed.number) == ("a7k2m9q4s1bv", 31)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "empty"),
        ("abc", "1 part instead"),
        ("1-2-3-4", "4 parts"),
        ("x-2-0123456789ab0", "rollout 'x'"),
        ("-2-0123456789ab0", "rollout ''"),
        ("01-2-0123456789ab0", "rollout '01'"),
        ("0-0-0123456789ab0", "version '0'"),
        ("0-٣-0123456789ab0", "version"),
        ("0-1-0123456789ab", "token"),
        ("0-1-0123456789abz", "token"),
        ("0-1-0123456789ab0\n", "token"),
        ("0-1-../../etc/passwd", "token"),
    ],
)
def test_what_is_no_id_is_refused_with_the_reason(text: str, what: str) -> None:
    with pytest.raises(InvalidInputError, match="is no request id") as caught:
        parse_request_id(text)
    assert what in str(caught.value)
