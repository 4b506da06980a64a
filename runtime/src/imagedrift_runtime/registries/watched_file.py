"""`registries.toml` as it is now: read again when it has changed, or when SIGHUP asks for it.

Rules:
- A file that is wrong, or gone, changes nothing: what held before holds, and every fault is told
  with its line, once.
- What is made of the file (routes, certificates) is made before it holds: it can be wrong, too.
- Its version, a number made of its content, is told as a metric: a fleet can see that all have one.
"""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

from imagedrift_runtime import metrics
from imagedrift_runtime.logs import get_logger
from imagedrift_runtime.registries import operator_file
from imagedrift_runtime.registries.operator_file import Registries
from imagedrift_runtime.settings import SettingsFault

log = get_logger()

LOOK_EVERY_S = 5.0

T = TypeVar("T")


class RegistriesFile(Generic[T]):
    """The content of the file. Raises `SettingsFault` where it is wrong at the start."""

    def __init__(self, path: str, make: Callable[[Registries], T]) -> None:
        self._path = path
        self._make = make
        self._seen = _digest(path)
        self.made = make(operator_file.load(path))
        self._hold()

    def renew(self, *, anyway: bool = False) -> bool:
        """Read the file if it has changed, or `anyway`, and tell whether something new holds."""
        digest = _digest(self._path)
        if digest == self._seen and not (anyway and self._path):
            return False
        self._seen = digest
        try:
            self.made = self._make(operator_file.load(self._path))
        except SettingsFault as error:
            log.error("registries.kept", faults=error.faults)
            metrics.registries_faults.set(len(error.faults))
            return False
        self._hold()
        log.info("registries.read", version=self.version)
        return True

    def _hold(self) -> None:
        self.version = self._seen[:12]
        metrics.registries_version.set(int(self.version or "0", 16))
        metrics.registries_faults.set(0)


class LiveRegistries(RegistriesFile[Registries]):
    """The file for readers that look things up in it, each time anew."""

    def __init__(self, path: str) -> None:
        super().__init__(path, lambda known: known)

    def is_named(self, registry: str) -> bool:
        """Tell whether the operator named this registry."""
        return self.made.is_named(registry)

    def lane_of(self, registry: str) -> str:
        """Return the lane in which questions to a registry wait."""
        return self.made.lane_of(registry)

    def lanes(self) -> dict[str, int]:
        """Return every lane with its slots."""
        return self.made.lanes()


def _digest(path: str) -> str:
    """Return a hash of the file's content; of one that cannot be read, that of nothing."""
    if not path:
        return ""
    try:
        content = Path(path).read_bytes()
    except OSError:
        content = b""
    return hashlib.sha256(content).hexdigest()
