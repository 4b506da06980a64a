"""Limit headers and waits, in every spelling that is met."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagedrift_resolver.core.limits import CEILING_S, FLOOR_S, Limits, read_limits, wait_s
from imagedrift_resolver.core.reply import HEARD, Reply

NOW = datetime(2026, 11, 24, 6, 0, tzinfo=UTC)


def reply(headers: dict[str, str], body: bytes = b"") -> Reply:
    """Make a response of headers written with underscores."""
    return Reply(429, {name.replace("_", "-"): (value,) for name, value in headers.items()}, body)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        (
            {"ratelimit_limit": "100;w=21600", "ratelimit_remaining": "20;w=21600"},
            Limits(100, 20, 21600),
        ),
        (
            {"ratelimit_limit": "200 ; w=3600", "ratelimit_remaining": "7 ; w=3600"},
            Limits(200, 7, 3600),
        ),
        ({"ratelimit_limit": ";w=21600", "ratelimit_remaining": ";w=21600"}, None),
        (
            {
                "x_ratelimit_limit": "600",
                "x_ratelimit_remaining": "0",
                "x_ratelimit_reset": "1795500060",
            },
            Limits(600, 0, None, NOW + timedelta(seconds=60)),
        ),
        (
            {"ratelimit_limit": "10", "ratelimit_remaining": "9", "ratelimit_reset": "30"},
            Limits(10, 9, None, NOW + timedelta(seconds=30)),
        ),
        (
            {"ratelimit": "limit=100, remaining=50, reset=5"},
            Limits(100, 50, None, NOW + timedelta(seconds=5)),
        ),
        (
            {"ratelimit_policy": '"default";q=100;w=60', "ratelimit": '"default";r=99;t=60'},
            Limits(100, 99, 60, NOW + timedelta(seconds=60)),
        ),
        ({"ratelimit_remaining": "3"}, Limits(None, 3)),
        ({"ratelimit_limit": "many"}, None),
        ({}, None),
    ],
)
def test_limits_are_read(headers: dict[str, str], expected: Limits | None) -> None:
    """Limits are read in every published form."""
    at = datetime.fromtimestamp(1795500000, UTC)
    assert at == NOW
    assert read_limits(reply(headers), NOW) == expected


@pytest.mark.parametrize(
    ("headers", "body", "expected"),
    [
        ({"retry_after": "120"}, b"", 120),
        ({"retry_after": " 2.5 "}, b"", 2.5),
        ({"retry_after": "0"}, b"", FLOOR_S),
        ({"retry_after": "Tue, 24 Nov 2026 06:01:30 GMT"}, b"", 90),
        ({"retry_after": "Tue, 24 Nov 2026 05:00:00 GMT"}, b"", FLOOR_S),
        ({"retry_after": "1795500042"}, b"", 42),
        ({"retry_after": "1795500042000"}, b"", 42),
        ({"retry_after": "1795500042000000"}, b"", 42),
        ({"x_retry_after": "1795500042"}, b"", 42),
        ({"retry_after": "999999"}, b"", CEILING_S),
        ({"retry_after": "331.163µs"}, b"", FLOOR_S),
        ({"retry_after": "soon"}, b"", None),
        ({"retry_after": "-5"}, b"", None),
        ({}, "retry-after: 331.163µs, allowed: 44000/minute".encode(), FLOOR_S),
        ({}, b'{"errors":[{"message":"retry-after: 1m30s, allowed: 5"}]}', 90),
        ({}, b"<html>slow down</html>", None),
    ],
)
def test_waits_are_read(headers: dict[str, str], body: bytes, expected: float | None) -> None:
    """Waits are read as seconds, dates, epochs or durations, within bounds."""
    told = wait_s(reply(headers, body), NOW)
    assert told == (None if expected is None else pytest.approx(expected))


@given(
    st.dictionaries(
        st.sampled_from(sorted(HEARD)),
        st.one_of(
            st.text(max_size=60),
            st.integers().map(str),
            st.floats().map(str),
            st.from_regex(r"[0-9;w=,. -]{0,40}"),
        ).map(lambda value: (value,)),
    ),
    st.binary(max_size=200),
)
def test_nothing_that_is_sent_raises(headers: dict[str, tuple[str, ...]], body: bytes) -> None:
    """Any headers give limits in bounds, or none; any wait lies between floor and ceiling."""
    got = Reply(429, headers, body)
    limits = read_limits(got, NOW)
    assert limits is None or (limits.remaining or 0) >= 0
    wait = wait_s(got, NOW)
    assert wait is None or FLOOR_S <= wait <= CEILING_S
