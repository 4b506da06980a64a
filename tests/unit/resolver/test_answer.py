"""The meaning of a 404: a missing tag only where the registry itself says so."""

from datetime import UTC, datetime

import pytest

from imagedrift_resolver.core.answer import failure, of_head
from imagedrift_resolver.core.reply import Reply
from imagedrift_schemas.v1 import Denied, Found, Limited, Missing, Unreachable

NOW = datetime(2026, 1, 1, tzinfo=UTC)
VERSION: dict[str, tuple[str, ...]] = {"docker-distribution-api-version": ("registry/2.0",)}


def not_found(body: bytes, kind: str, *, has_version: bool = True) -> object:
    """Read a 404, with the header that a proxy may add to all that passes."""
    headers: dict[str, tuple[str, ...]] = {"content-type": (kind,)} if kind else {}
    return failure(Reply(404, headers | (VERSION if has_version else {}), body), NOW)


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("text/html; charset=utf-8", b"<html>404</html>"),
        ("application/xhtml+xml", b""),
        ("application/xhtml+xml", b'<?xml version="1.0"?><html/>'),
        ("", b"<html>404</html>"),
        ("text/plain", b"\r\n <!DOCTYPE html><title>404</title>"),
        ("application/octet-stream", b"\xef\xbb\xbf<html>404</html>"),
        ("application/xml", b"<Error><Code>NoSuchBucket</Code></Error>"),
        ("text/plain; charset=utf-8", b"404 page not found\n"),
        ("text/plain", b""),
        ("", b"not found"),
    ],
)
def test_a_page_is_no_registrys_word_whatever_header_it_bears(kind: str, body: bytes) -> None:
    """A 404 with a page is no registry's, whatever its header."""
    assert isinstance(not_found(body, kind), Unreachable)


@pytest.mark.parametrize(
    ("kind", "body", "has_version"),
    [
        ("application/json", b"", True),
        ("", b"", True),
        ("application/json", b"{}", True),
        ("application/json", b'{"errors":[{"code":"MANIFEST_UNKNOWN"}]}', False),
        ("application/problem+json", b'{"errors":[{"code":"NAME_UNKNOWN"}]}', False),
        ("text/plain", b'{"errors":[{"code":"NAME_UNKNOWN"}]}', False),
    ],
)
def test_a_registrys_word_is_a_missing_tag(kind: str, body: bytes, has_version: bool) -> None:
    """A 404 with an OCI error document or the registry's header is a missing tag."""
    assert isinstance(not_found(body, kind, has_version=has_version), Missing)


@pytest.mark.parametrize(
    ("code", "outcome"),
    [
        ("UNAVAILABLE", Unreachable),
        ("INTERNAL_ERROR", Unreachable),
        ("DENIED", Denied),
        ("TOOMANYREQUESTS", Limited),
        ("NAME_INVALID", Missing),
    ],
)
def test_a_code_that_tells_of_trouble_is_no_missing_tag(code: str, outcome: type) -> None:
    """An error code of a failure is no missing tag, whatever the status."""
    body = f'{{"errors":[{{"code":"{code}"}}]}}'.encode()
    assert isinstance(not_found(body, "application/json"), outcome)


def test_a_digest_that_is_told_twice_is_found() -> None:
    """A repeated digest header is read (docker/hub-feedback#1907)."""
    digest = f"sha256:{'a' * 64}"
    outcome = of_head(Reply(200, {"docker-content-digest": (digest, digest)}), NOW)
    assert isinstance(outcome, Found)
    assert outcome.digest == digest
