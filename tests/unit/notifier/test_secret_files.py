"""Secrets in files: read, and never told."""

from pathlib import Path

import pytest

from imagedrift_notifier.adapters.secret_files import MOST_BYTES, SecretUnreadable, read


def test_a_secret_is_read_without_its_line_break(tmp_path: Path) -> None:
    """An editor's line break is no part of it."""
    file = tmp_path / "secret"
    file.write_text("s3cr3t\n")

    assert read("secret_file", str(file)).reveal() == "s3cr3t"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "is empty"),
        (b" \n", "is empty"),
        (b"\xff", "cannot be read: it is no text"),
        (b"x" * (MOST_BYTES + 1), "is too large"),
    ],
)
def test_a_file_without_a_secret_is_named(tmp_path: Path, content: bytes, told: str) -> None:
    """The fault names the file, and what is wrong with it."""
    file = tmp_path / "secret"
    file.write_bytes(content)

    with pytest.raises(SecretUnreadable, match=f"secret_file: '{file}' {told}"):
        read("secret_file", str(file))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    """The fault names the file."""
    with pytest.raises(SecretUnreadable, match="none' cannot be read: No such file"):
        read("secret_file", str(tmp_path / "none"))


def test_an_address_in_place_of_its_file_is_not_repeated() -> None:
    """The fault names the key alone, as the path may be the secret."""
    with pytest.raises(SecretUnreadable) as told:
        read("apprise_file", "T1JJ3T3L2/s3cr3t")

    assert str(told.value).startswith("apprise_file: its value is not the path of a file: ")
    assert "s3cr3t" not in str(told.value)
