"""The state survives a restart, and a lost one is taken anew."""

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from imagedrift_agent.adapters.state_folder import BadStateFolder, StateFolder
from imagedrift_agent.core.cadence import ConfirmedInventory
from imagedrift_agent.state import SavedState
from imagedrift_schemas.subjects import is_host_id
from imagedrift_schemas.v1 import Inventory

NOW = datetime(2026, 11, 23, tzinfo=UTC)
KEPT = SavedState(
    "here",
    ConfirmedInventory("abc", "sha256:1", NOW),
    Inventory(site="s", host="h", taken_at=NOW, content=f"sha256:{'0' * 64}"),
)


def test_what_was_kept_is_read_back(tmp_path: Path) -> None:
    """By another process, later."""
    StateFolder(str(tmp_path / "new/folder")).save(KEPT)

    assert StateFolder(str(tmp_path / "new/folder")).load() == KEPT


def test_nothing_was_kept_yet(tmp_path: Path) -> None:
    """A new host has confirmed nothing."""
    assert StateFolder(str(tmp_path)).load() == SavedState()


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"confirmed":7}', b"\xff\xfe"])
def test_a_broken_file_is_as_good_as_none(tmp_path: Path, content: bytes) -> None:
    """The inventory is taken and said again."""
    (tmp_path / "state.json").write_bytes(content)

    assert StateFolder(str(tmp_path)).load() == SavedState()


def test_a_write_that_breaks_off_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file is only replaced once the new one is on the disk."""
    folder = StateFolder(str(tmp_path))
    folder.save(KEPT)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    folder.save(SavedState("there"))

    assert folder.load() == KEPT


def test_a_made_up_id_is_kept(tmp_path: Path) -> None:
    """The host is the same after a restart, whatever it is called then."""
    first = StateFolder(str(tmp_path)).host_id("web-1")

    assert is_host_id(first)
    assert StateFolder(str(tmp_path)).host_id("web-2") == first


def test_two_hosts_of_one_name_get_two_ids(tmp_path: Path) -> None:
    """Names repeat, ids do not."""
    ids = {StateFolder(str(tmp_path / folder)).host_id("web-1") for folder in "ab"}

    assert len(ids) == 2


def test_a_spoilt_id_is_made_up_anew(tmp_path: Path) -> None:
    """A text that cannot stand in a subject is no id."""
    (tmp_path / "host-id").write_text("Not An Id")

    assert is_host_id(StateFolder(str(tmp_path)).host_id("web-1"))


def test_an_id_that_cannot_be_kept_is_a_fault_of_its_setting() -> None:
    """An id that changes with every start would be a new host each time."""
    with pytest.raises(
        BadStateFolder, match=r"IMAGEDRIFT_STATE_DIR: /proc/nowhere: .*IMAGEDRIFT_HOST_ID"
    ):
        StateFolder("/proc/nowhere").host_id("web-1")
