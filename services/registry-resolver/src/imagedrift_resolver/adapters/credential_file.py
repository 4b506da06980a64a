"""A source of credentials in Docker's format: text, or a file that is read when it changes."""

import os
import stat
from pathlib import Path
from typing import Final

from imagedrift_resolver.core.credential_entry import EntryFault
from imagedrift_resolver.core.docker_config import DockerConfig, parse_config
from imagedrift_resolver.core.json_object import LARGEST
from imagedrift_runtime.clock import Clock
from imagedrift_runtime.logs import get_logger

log = get_logger()

LOOK_EVERY_S: Final = 1.0


class CredentialText:
    """Text of the environment, which stays as it is."""

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self._config = parse_config(text.encode("utf-8", "replace"))
        _tell(name, self._config)

    def read(self) -> tuple[DockerConfig, bool]:
        """Return its credentials, and that they have not changed."""
        return self._config, False


class CredentialFile:
    """A file, which may come, change and go at any time."""

    def __init__(self, path: Path, clock: Clock, *, is_podman: bool = False) -> None:
        self.name = f"{path.name} in {path.parent}"
        self._path = path
        self._clock = clock
        self._is_podman = is_podman
        self._looked_at = float("-inf")
        self._version: tuple[int, ...] = ()
        self._config = DockerConfig()

    def read(self) -> tuple[DockerConfig, bool]:
        """Return its credentials, and whether they have changed: a login needs no restart."""
        now = self._clock.monotonic()
        if now - self._looked_at < LOOK_EVERY_S:
            return self._config, False
        self._looked_at = now
        before = self._config
        try:
            found = self._stat()
            version = (found.st_mtime_ns, found.st_ino, found.st_size) if found else ()
            if found is None:
                self._config = DockerConfig()
            elif version != self._version:
                self._config = self._parsed(found.st_mode)
            self._version = version
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or "is no path"
            self._config, self._version = _unreadable(reason), ()
        if self._config is before or self._config == before:
            return self._config, False
        _tell(self.name, self._config)
        return self._config, True

    def _stat(self) -> os.stat_result | None:
        """Look at the file; None where there is none, or in a folder of another user's Podman."""
        try:
            return self._path.stat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except PermissionError:
            if self._is_podman:
                return None
            raise

    def _parsed(self, mode: int) -> DockerConfig:
        if not stat.S_ISREG(mode):
            return _unreadable("it is no file")
        with self._path.open("rb") as file:
            return parse_config(file.read(LARGEST + 1), is_podman=self._is_podman)


def _unreadable(reason: str) -> DockerConfig:
    return DockerConfig(faults=(EntryFault(f"cannot be read: {reason}", own=False),))


def _tell(name: str, config: DockerConfig) -> None:
    for fault in config.faults:
        log.warning("credentials.broken", place=name, error=fault.reason)
