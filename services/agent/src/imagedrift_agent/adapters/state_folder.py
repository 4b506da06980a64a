"""The state folder, whose content survives a restart.

    host-id      the id that was made up for this host, written once
    state.json   the newest inventory, and what NATS has confirmed

A file is replaced whole: written beside, flushed to the disk, renamed. So a power cut leaves the
old one or the new one. One that cannot be read is as good as none: the inventory is taken again.
"""

import os
import secrets
from pathlib import Path

import msgspec

from imagedrift_agent.core.identity import made_up_id
from imagedrift_agent.state import SavedState
from imagedrift_runtime.logs import get_logger
from imagedrift_schemas.subjects import is_host_id

log = get_logger()


class BadStateFolder(Exception):
    """The state folder cannot be written, and no host id was given in its place."""


class StateFolder:
    """The folder of IMAGEDRIFT_STATE_DIR."""

    def __init__(self, folder: str) -> None:
        self.folder = Path(folder)

    def host_id(self, hostname: str) -> str:
        """Read this host's id, or make one up and keep it. Raises `BadStateFolder`."""
        path = self.folder / "host-id"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            if path.exists() and is_host_id(found := path.read_text().strip()):
                return found
            made = made_up_id(hostname, secrets.token_hex(4))
            _replace(path, f"{made}\n".encode())
        except OSError as error:
            raise _unusable(self.folder, error) from error
        return made

    def try_writing(self) -> None:
        """Write and remove a file. Raises `BadStateFolder`."""
        path = self.folder / "doctor"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            _replace(path, b"")
            path.unlink()
        except OSError as error:
            raise _unusable(self.folder, error) from error

    def load(self) -> SavedState:
        """Read the saved state."""
        path = self.folder / "state.json"
        try:
            return msgspec.json.decode(path.read_bytes(), type=SavedState)
        except FileNotFoundError:
            return SavedState()
        except (OSError, msgspec.DecodeError) as error:
            log.warning("state.lost", path=str(path), error=str(error))
            return SavedState()

    def save(self, saved: SavedState) -> None:
        """Replace the saved state. A failure is logged: it costs publishing an inventory twice."""
        path = self.folder / "state.json"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            _replace(path, msgspec.json.encode(saved))
        except OSError as error:
            log.warning("state.refused", path=str(path), error=error.strerror)


def _unusable(folder: Path, error: OSError) -> BadStateFolder:
    return BadStateFolder(
        f"IMAGEDRIFT_STATE_DIR: {folder}: {error.strerror}: let this user write there,"
        " or set IMAGEDRIFT_HOST_ID"
    )


def _replace(path: Path, content: bytes) -> None:
    beside = path.with_name(f"{path.name}.new")
    with beside.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
