"""Files with credentials: read again when they change, and told when they are broken."""

import json
import os
from pathlib import Path

import pytest

from imagedrift_resolver.core.credential import ANONYMOUS, Anonymous
from support.credential_folder import auths, credentials_in, name_of


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on the PATH, for a helper called `vault`."""
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.getenv('PATH')}")
    return tmp_path


async def test_a_file_that_changes_is_read_again(home: Path) -> None:
    """A credential file is read again when it appears, changes, breaks or goes."""
    credentials = credentials_in(home)
    assert await name_of(credentials) == ANONYMOUS
    for text, expected in (
        (json.dumps(auths(r_example="first")), "first"),
        (json.dumps(auths(r_example="the second")), "the second"),
        ("{", ANONYMOUS),
        (json.dumps(auths(r_example="third")), "third"),
    ):
        (home / "config.json").write_text(text)
        assert await name_of(credentials) == expected
    (home / "config.json").unlink()
    assert await name_of(credentials) == ANONYMOUS


async def test_what_is_no_file_is_told_and_waited_for_by_nobody(home: Path) -> None:
    """A folder or a pipe in place of a file is reported, without a wait."""
    (home / "folder" / "config.json").mkdir(parents=True)
    (home / "pipe").mkdir()
    os.mkfifo(home / "pipe" / "config.json")
    for folder in ("folder", "pipe"):
        found = await credentials_in(home / folder).of("r.example", "a/b")
        assert isinstance(found, Anonymous)
        assert "cannot be read: it is no file" in found.note
    (home / "file").touch()
    found = await credentials_in(home / "file").of("r.example", "a/b")
    assert isinstance(found, Anonymous)
    assert not found.note
