"""Standard Webhooks: the signature that its own example has, keys, and rotation."""

import base64
from datetime import UTC, datetime

import pytest

from imagedrift_notifier.core.signature import headers, signing_keys

KEY = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
"""The key, message and signature of an example in the libraries of Standard Webhooks."""


def test_the_signature_is_that_of_the_specifications_example() -> None:
    """The specification's example is signed as it says."""
    keys = signing_keys(f"whsec_{KEY}")
    assert keys is not None

    made = headers(
        keys,
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        datetime.fromtimestamp(1614265330, UTC),
        b'{"test": 2432232314}',
    )

    assert made == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


def test_while_a_key_is_changed_both_sign() -> None:
    """A file of two keys gives two signatures, the newest first."""
    other = base64.b64encode(b"n" * 24).decode()
    keys = signing_keys(f"whsec_{other}\n\nwhsec_{KEY}\n")
    assert keys is not None

    signed = headers(keys, "msg_1", datetime(2026, 11, 26, tzinfo=UTC), b"{}")["webhook-signature"]

    assert keys[0] == b"n" * 24
    assert [each[:3] for each in signed.split(" ")] == ["v1,", "v1,"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "not base64!",
        "whsec_" + base64.b64encode(b"short").decode(),
        "whsec_" + base64.b64encode(b"l" * 65).decode(),
        "\n".join(["whsec_" + KEY] * 5),
        f"whsec_{KEY}\nrubbish",
    ],
)
def test_what_is_no_key_is_refused(text: str) -> None:
    """A key has 24 to 64 bytes, and a file at most four of them."""
    assert signing_keys(text) is None
