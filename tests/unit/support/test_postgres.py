"""Servers of many tests have their files in memory, where there is room."""

import shutil
from pathlib import Path

from support.postgres import memory_folder


def test_a_folder_in_memory_is_gone_afterwards(tmp_path: Path) -> None:
    """Nothing stays in memory; every user reaches what is in it meanwhile."""
    with memory_folder(tmp_path, room=0) as folder:
        assert folder is not None
        folder.mkdir()
        assert folder.parent.stat().st_mode & 0o777 == 0o755

    assert list(tmp_path.iterdir()) == []


def test_without_room_in_memory_there_is_no_folder(tmp_path: Path) -> None:
    """A machine with little memory keeps the files on its disk."""
    with memory_folder(tmp_path, shutil.disk_usage(tmp_path).total + 1) as folder:
        assert folder is None
    with memory_folder(tmp_path / "none", room=0) as folder:
        assert folder is None
