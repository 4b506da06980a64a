"""The file of routes as it is now: read again within seconds of its change.

A file that is wrong, or gone, changes nothing: what held before holds, and every fault is told with
its line, once.
"""

import hashlib
from pathlib import Path

from imagedrift_notifier.core import route_file
from imagedrift_notifier.core.route import Routes
from imagedrift_runtime import metrics
from imagedrift_runtime.logs import get_logger
from imagedrift_runtime.settings import SettingsFault

log = get_logger()


def load(path: str) -> Routes:
    """Read the file. Raises `SettingsFault` naming every fault."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "is not UTF-8"
        raise SettingsFault([f"IMAGEDRIFT_ROUTES: {path}: cannot be read: {reason}"]) from error
    routes, faults = route_file.parse(text, path)
    if faults:
        raise SettingsFault(faults)
    return routes


class LiveRoutesFile:
    """The routes that hold. Raises `SettingsFault` where the file is wrong at the start."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._seen = _digest(path)
        self._hold(load(path))

    def __call__(self) -> Routes:
        """Return the routes that hold now."""
        return self._held

    async def renew(self) -> None:
        """Read the file if it has changed."""
        digest = _digest(self._path)
        if digest == self._seen:
            return
        self._seen = digest
        try:
            self._hold(load(self._path))
        except SettingsFault as fault:
            log.error("routes.kept", faults=fault.faults)
            metrics.routes_faults.set(len(fault.faults))

    def _hold(self, routes: Routes) -> None:
        self._held = routes
        metrics.routes_faults.set(0)
        if routes.routes:
            log.info("routes.read", routes=sorted(routes.routes))
        else:
            log.warning("routes.none_found", file=self._path, effect="nothing is sent")


def _digest(path: str) -> str:
    """Return a hash of the file's content; of one that cannot be read, that of nothing."""
    try:
        content = Path(path).read_bytes()
    except OSError:
        content = b""
    return hashlib.sha256(content).hexdigest()
