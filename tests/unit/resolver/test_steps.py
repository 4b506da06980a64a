"""Requests of a conversation, and how limits count them."""

import pytest

from imagedrift_resolver.core.steps import Method, Send
from imagedrift_resolver.core.url import parse_url


@pytest.mark.parametrize(
    ("method", "target", "counts_as"),
    [
        ("GET", "/v2/a/manifests/1", "GET"),
        ("HEAD", "/v2/a/manifests/1", "HEAD"),
        ("GET", "/v2/a/tags/list?n=1000", "HEAD"),
        ("GET", "/v2/a/tags/list", "HEAD"),
        ("GET", "/v2/tags/list/manifests/1", "GET"),
        ("GET", "/v2/a/manifests/1?x=/tags/list", "GET"),
    ],
)
def test_a_list_of_tags_is_no_pull(method: Method, target: str, counts_as: str) -> None:
    """Docker Hub counts GETs of manifests: a list counts as a HEAD does."""
    url = parse_url(f"https://r.example{target}")
    assert Send(method, url, None, 1, trusted=False, own=True).counts_as == counts_as
