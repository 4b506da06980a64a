"""Secrets in files: read, and never told."""

from pathlib import Path

import pytest

from imagedrift_notifier.adapters.secret_files import MOST_BYTES, SecretUnreadable, read


def test_a_secret_is_read_without_its_line_break(tmp_path: Path) -> None:
    """An editor's line break is no part of it."""
    file = tmp_path / "secret"
    file.write_text("s3cr3t\n")

    assert read(str(file)).reveal() == "s3cr3t"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "is empty"),
        (b" \n", "is empty"),
        (b"\xff", "is not UTF-8"),
        (b"x" * (MOST_BYTES + 1), "is too large"),
    ],
)
def test_a_file_without_a_secret_is_named(tmp_path: Path, content: bytes, told: str) -> None:
    """The fault names the file, and what is wrong with it."""
    file = tmp_path / "secret"
    file.write_bytes(content)

    with pytest.raises(SecretUnreadable, match=f"{file}: .*{told}"):
        read(str(file))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    """The fault names the file."""
    with pytest.raises(SecretUnreadable, match="none: cannot be read: No such file"):
        read(str(tmp_path / "none"))
