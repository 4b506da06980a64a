"""The errors of storing, reading and publishing. Ports raise these.

| error               | what it means                               | what is done           |
|---------------------|---------------------------------------------|------------------------|
| `ServerUnavailable` | PostgreSQL or NATS does not work now        | try again later        |
| `DatabaseTooSlow`   | a statement took longer than it may         | try less at a time     |
| `DataRejected`      | the database will never accept some data    | find it, and refuse it |
| `MissingImages`     | hosts changed, and their images are missing | read and store them    |
"""

from collections.abc import Collection

from imagedrift_ingest.core.inventories import HostName


class ServerUnavailable(Exception):
    """A server does not work now."""


class DatabaseUnavailable(ServerUnavailable):
    """The database does not work now."""


class DatabaseTooSlow(DatabaseUnavailable):
    """The database did not finish in the time that a statement has."""


class StreamUnavailable(ServerUnavailable):
    """NATS does not answer about a stream now."""


class DataRejected(Exception):
    """The database rejects something in the batch, and always will."""


class MissingImages(Exception):
    """Hosts changed while their images were not read: read them and store again."""

    def __init__(self, hosts: Collection[HostName]) -> None:
        super().__init__(f"images needed of {len(hosts)} hosts")
        self.hosts = frozenset(hosts)
