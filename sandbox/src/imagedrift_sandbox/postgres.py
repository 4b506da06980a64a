"""An embedded PostgreSQL server, on a free port of 127.0.0.1.

The home directory holds the cluster, the superuser's generated password and the log. A given
home is kept and used again; a temporary one is removed. PostgreSQL refuses to run as root: as
root we run it as `nobody`, who then must be able to reach the home and the binaries. We never
open a directory for that: binaries out of reach are copied, a home out of reach is an error.
"""

import secrets
import signal
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from pathlib import Path

from imagedrift_sandbox.child_process import ChildProcess, ProgramError
from imagedrift_sandbox.free_port import LOOPBACK, free_port
from imagedrift_sandbox.postgres_programs import (
    can_reach,
    find_binaries,
    give,
    reachable_binaries,
    run_program,
    unprivileged_account,
)
from imagedrift_sandbox.servers import LocalServer

SUPERUSER = "postgres"
DATABASE = "imagedrift"
FAST = {"fsync": "off", "full_page_writes": "off"}
DEFAULTS = {
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",
    "shared_buffers": "32MB",
    "max_wal_size": "1GB",
}


class PostgresServer(LocalServer):
    """One server. `stop`, `restart`, `kill`, `pause` and `resume` come with `LocalServer`."""

    stop_signal = signal.SIGINT  # the "fast" shutdown: ends sessions, writes a checkpoint

    def __init__(
        self,
        data_dir: Path | None = None,
        binaries: Path | None = None,
        settings: Mapping[str, str] | None = None,
        *,
        durable: bool = False,
        port: int = 0,
    ) -> None:
        super().__init__(data_dir, prefix="imagedrift-postgres-")
        self.binaries = binaries
        self.port = 0
        self._wanted_port = port
        self._settings = DEFAULTS | ({} if durable else FAST) | dict(settings or {})
        self._account = unprivileged_account()
        self._password = ""

    @classmethod
    def start(
        cls,
        data_dir: Path | None = None,
        binaries: Path | None = None,
        settings: Mapping[str, str] | None = None,
        *,
        durable: bool = False,
        port: int = 0,
    ) -> AbstractAsyncContextManager["PostgresServer"]:
        """Run a server for the length of an `async with`.

        `data_dir` is kept and used again. `binaries` is the folder of `postgres` and `initdb`.
        `durable` keeps what is off by default for speed: surviving a crash of the machine.
        A `port` of 0 is a free one.
        """
        return cls(data_dir, binaries, settings, durable=durable, port=port).starting()

    @classmethod
    def start_sync(
        cls,
        data_dir: Path | None = None,
        binaries: Path | None = None,
        settings: Mapping[str, str] | None = None,
        *,
        durable: bool = False,
    ) -> AbstractContextManager["PostgresServer"]:
        """Run a server for the length of a `with`."""
        return cls(data_dir, binaries, settings, durable=durable).started()

    def dsn(self, database: str = DATABASE) -> str:
        """The connection string of the superuser. It holds the password: do not log it."""
        return f"postgresql://{SUPERUSER}:{self._password}@{LOOPBACK}:{self.port}/{database}"

    def create_database(self, name: str, template: str | None = None) -> str:
        """Create a database, a copy of `template` if given, and return its dsn. Blocks."""
        copied = [f"--template={template}"] if template else []
        self._client("createdb", "--maintenance-db=postgres", *copied, name)
        return self.dsn(name)

    def drop_database(self, name: str) -> None:
        """Drop a database, ending its sessions. Blocks."""
        self._client("dropdb", "--maintenance-db=postgres", "--force", name)

    def prepare(self) -> None:
        """Find the binaries and make the cluster, unless the home has one."""
        if self._temporary:
            give(self.home, self._account)
        if not can_reach(self.home, self._account):
            raise ProgramError(
                f"{self.home} cannot be reached by {self._account.name}: choose another data_dir"
            )
        self.binaries = reachable_binaries(
            find_binaries(self.binaries), self._account, self.home / "programs"
        )
        if not (self._cluster / "PG_VERSION").exists():
            self._initialise()
        self._password = self._password_file.read_text()

    def choose_ports(self) -> None:
        """Take a port."""
        self.port = self._wanted_port or free_port()

    def launch(self) -> ChildProcess:
        """Start the program."""
        settings = [f"--{name}={value}" for name, value in self._settings.items()]
        return ChildProcess.spawn(
            [self._program("postgres"), "-D", self._cluster, "-p", str(self.port), *settings],
            log=self.home / "postgres.log",
            environment={"LC_ALL": "C"},
            directory=self._cluster,
            account=self._account,
            death_signal=signal.SIGINT,
        )

    def is_ready(self) -> bool:
        """Whether the server says that it accepts connections."""
        try:
            lines = (self._cluster / "postmaster.pid").read_text().splitlines()
        except OSError:
            return False
        # Its lines: pid, directory, start time, port, socket directory, address, memory, status.
        return len(lines) > 7 and lines[0] == str(self.pid) and lines[7].strip() == "ready"

    def start_blocking(self) -> None:
        """Start, and make the database `imagedrift` when it is not there."""
        super().start_blocking()
        if DATABASE not in self._databases():
            self.create_database(DATABASE)

    def kill(self) -> None:
        """End all of the server's processes at once, as a crash would; the next start recovers.

        Its first process killed alone leaves others for a moment, and they its memory: a start
        meanwhile would be refused.
        """
        self._running().stop(signal.SIGQUIT)

    @property
    def _cluster(self) -> Path:
        return self.home / "cluster"

    @property
    def _password_file(self) -> Path:
        return self.home / "password"

    def _initialise(self) -> None:
        """Run initdb. The password file is the cluster owner's alone."""
        self._cluster.mkdir(mode=0o700, exist_ok=True)
        self._password_file.touch(mode=0o600)
        self._password_file.write_text(secrets.token_urlsafe(24))
        give(self._cluster, self._account)
        give(self._password_file, self._account)
        run_program(
            [
                *(self._program("initdb"), "-D", self._cluster, "--no-sync", "--no-instructions"),
                *(f"--username={SUPERUSER}", f"--pwfile={self._password_file}"),
                *("--auth=scram-sha-256", "--encoding=UTF8", "--no-locale"),
            ],
            account=self._account,
        )

    def _databases(self) -> list[str]:
        listing = ("--no-psqlrc", "--tuples-only", "--no-align", "--dbname=postgres")
        query = "--command=SELECT datname FROM pg_database"
        return self._client("psql", *listing, query).split()

    def _client(self, program: str, *arguments: str) -> str:
        where = [f"--host={LOOPBACK}", f"--port={self.port}", f"--username={SUPERUSER}"]
        return run_program([self._program(program), *where, *arguments], password=self._password)

    def _program(self, name: str) -> Path:
        return (self.binaries or Path()) / name
