"""A secret where its file's path belongs is not repeated; a path with a slip in it is."""

from pathlib import Path

import pytest

from imagedrift_runtime.file_faults import unreadable


def fault(path: str) -> str:
    """Read a file that is none, and say why not."""
    try:
        Path(path).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        return unreadable(path, error)
    raise AssertionError(f"{path} can be read")


@pytest.mark.parametrize(
    "secret",
    [
        "hunter2",
        "/hunter2",
        "postgresql://u:hunter2@db:5432/imagedrift",
        "slack://hunter2/a/b",
        "/hunter2/abc/def==",
        "hunter2\x00",
        "hunter2" * 500,
    ],
)
def test_a_secret_in_place_of_a_path_is_not_repeated(secret: str) -> None:
    """A text that names no file and no folder may be the secret itself."""
    told = fault(secret)

    assert told.startswith("its value is not the path of a file: ")
    assert "hunter2" not in told


def test_a_path_with_a_slip_is_repeated(tmp_path: Path) -> None:
    """A path of which a folder is there, or to something that is no text, is named."""
    (tmp_path / "binary").write_bytes(b"\xff")

    assert (
        fault(f"{tmp_path}/nome") == f"'{tmp_path}/nome' cannot be read: No such file or directory"
    )
    assert fault(f"{tmp_path}/none/of/these").startswith(
        f"'{tmp_path}/none/of/these' cannot be read"
    )
    assert fault(str(tmp_path)) == f"'{tmp_path}' cannot be read: Is a directory"
    assert fault(f"{tmp_path}/binary") == f"'{tmp_path}/binary' cannot be read: it is no text"
