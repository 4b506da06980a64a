"""A secret that is printed is hidden."""

import traceback

import pytest

from imagedrift_notifier.core.secret_text import HIDDEN, SecretText


def test_a_secret_is_given_to_who_asks_and_shown_to_nobody() -> None:
    """No way to print it shows it."""
    secret = SecretText("s3cr3t")

    assert secret.reveal() == "s3cr3t"
    assert [str(secret), repr(secret), f"{secret}", f"{[secret]}"] == [HIDDEN] * 3 + [f"[{HIDDEN}]"]
    with pytest.raises(ValueError, match=r"\*\*\*") as raised:
        raise ValueError(secret)
    assert "s3cr3t" not in "".join(traceback.format_exception(raised.value))
