"""Whether a notification shows the secret that it was set up with."""

import hashlib
import hmac

from hypothesis import given
from hypothesis import strategies as st

from imagedrift_resolver.core.webhook_auth import has_secret

SECRET = "a-long-shared-secret"


def test_the_secret_is_shown_in_any_of_four_ways() -> None:
    """The webhook's secret is accepted in four ways."""
    signature = hmac.new(SECRET.encode(), b"body", hashlib.sha256).hexdigest()
    assert has_secret(SECRET, "/", {"authorization": f"Bearer {SECRET}"}, b"body")
    assert has_secret(SECRET, "/", {"authorization": SECRET}, b"body")
    assert has_secret(SECRET, "/", {"x-hub-signature-256": f"sha256={signature}"}, b"body")
    assert has_secret(SECRET, f"/x?a=b&secret={SECRET}", {}, b"body")


def test_who_does_not_show_it_is_not_believed() -> None:
    """A notification without the right secret or signature is refused."""
    signature = hmac.new(SECRET.encode(), b"body", hashlib.sha256).hexdigest()
    assert not has_secret(SECRET, "/", {}, b"body")
    assert not has_secret(SECRET, "/", {"authorization": "Bearer x"}, b"body")
    assert not has_secret(SECRET, "/", {"authorization": f"Bearer {SECRET}x"}, b"body")
    assert not has_secret(SECRET, "/?secret=", {"authorization": ""}, b"body")
    assert not has_secret(SECRET, "/", {"x-hub-signature-256": f"sha256={signature}"}, b"bodx")
    assert not has_secret("", "/?secret=", {"authorization": ""}, b"body")


@given(st.text(max_size=100), st.text(max_size=100), st.binary(max_size=50))
def test_no_request_raises(target: str, header: str, body: bytes) -> None:
    """Any request is believed or not, and none fails."""
    assert not has_secret(SECRET, target, {"authorization": header}, body)
