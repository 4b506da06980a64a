"""A response, or the kind and reason of there being none."""

from typing import get_args

import pytest

from imagedrift_resolver.core.reply import NoResponse, NoResponseKind, Reply, shown
from imagedrift_runtime import metrics


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("dns", "DNS: r.example: its name does not resolve"),
        ("read_timeout", "read timeout: r.example: its name does not resolve"),
        ("closed", "connection failed: r.example: its name does not resolve"),
        ("forbidden", "not asked: r.example: its name does not resolve"),
    ],
)
def test_the_error_of_an_answer_begins_with_the_kind_in_words(
    kind: NoResponseKind, text: str
) -> None:
    """An operator can group `ops.lookup_errors` by it."""
    assert NoResponse(kind, "r.example: its name does not resolve").text == text


def test_the_metrics_begin_with_each_kind() -> None:
    """A rate can be taken from the first one on."""
    assert metrics.no_responses.known["kind"] == get_args(NoResponseKind)


def test_a_header_is_read_by_its_name_in_lower_case() -> None:
    """The first value without blanks, or all of them; a media type without its parameters."""
    reply = Reply(200, {"content-type": (" Text/HTML; charset=x",), "www-authenticate": ("a", "b")})
    assert reply.media_type == "text/html"
    assert reply.all("www-authenticate") == ("a", "b")
    assert reply.first("location") == ""


def test_text_of_a_stranger_is_shown_on_one_line() -> None:
    """Printable ASCII, and not long."""
    assert shown("a\nb\x1b[31mé") == "a?b?[31m?"
    assert shown("x" * 200, 10) == "xxxxxxx..."
