"""The events of an engine: which are asked for, and how a line of them is read."""

from typing import Final

from imagedrift_agent.adapters.engine_faults import CallRefused
from imagedrift_agent.core import decoding, records

# Only what changes an inventory: health checks alone cause three `exec_*` events each time.
EVENTS: Final = {
    "type": ["image", "container", "daemon"],
    "event": [
        *("pull", "push", "tag", "untag", "delete", "import", "load", "save", "prune", "build"),
        *("create", "start", "restart", "die", "died", "stop", "kill", "pause", "unpause"),
        *("destroy", "remove", "rename", "loadfromarchive", "reload", "commit"),
    ],
}


def read_event(line: bytes) -> records.Event:
    """Read an event. Raises `CallRefused` for a line that is none."""
    try:
        return decoding.read(line, records.Event)
    except decoding.NONSENSE as error:
        raise CallRefused(f"GET /events: not what an engine says: {error}") from error
