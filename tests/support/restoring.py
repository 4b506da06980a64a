"""Taking a database back to an earlier moment, with the commands that operators use."""

import shutil
from pathlib import Path
from typing import Protocol

from imagedrift_sandbox.child_process import OURSELVES, Account
from imagedrift_sandbox.postgres import DATABASE, PostgresServer
from imagedrift_sandbox.postgres_programs import run_program, unprivileged_account


class Dump:
    """A dump of `pg_dump`, in its own format."""

    def __init__(self, server: PostgresServer, folder: Path) -> None:
        self._file = folder / "imagedrift.dump"
        program(server, "pg_dump", "--format=custom", f"--file={self._file}", of=server)

    def into(self, server: PostgresServer, *options: str) -> None:
        """Restore it into an empty database of a server."""
        program(server, "pg_restore", "--single-transaction", *options, self._file, of=server)

    def back(self, server: PostgresServer) -> None:
        """Restore it in place of what the server has, whoever is connected."""
        server.drop_database(DATABASE)
        server.create_database(DATABASE)
        self.into(server)


def program(
    server: PostgresServer,
    name: str,
    *options: str | Path,
    of: PostgresServer,
    account: Account = OURSELVES,
) -> None:
    """Run a server's program on the database of a server."""
    assert server.binaries is not None
    run_program([server.binaries / name, f"--dbname={of.dsn()}", *options], account=account)


class Copy:
    """A copy of a server's files, made by the file system or by `pg_basebackup`."""

    def __init__(self, server: PostgresServer, *, by_program: bool) -> None:
        self._server = server
        self._saved = server.home / "saved"
        self._cluster = server.home / "cluster"
        if by_program:
            options = ("--wal-method=stream", "--checkpoint=fast", f"--pgdata={self._saved}")
            program(server, "pg_basebackup", *options, of=server, account=unprivileged_account())
        else:
            server.stop_blocking()
            run_program(["cp", "-a", self._cluster, self._saved])
            server.launch_blocking()

    def back(self, server: PostgresServer) -> None:
        """Put the files in the place of what the server has."""
        server.stop_blocking()
        shutil.rmtree(self._cluster)
        run_program(["cp", "-a", self._saved, self._cluster])
        server.launch_blocking()


class Backup(Protocol):
    """A backup that a database can be taken back to."""

    def back(self, server: PostgresServer) -> None:
        """Take the server back to it."""


def take(way: str, server: PostgresServer, folder: Path) -> Backup:
    """Take a backup: a dump, a snapshot of the files, or a base backup. Blocks."""
    match way:
        case "dump":
            folder.chmod(0o777)
            return Dump(server, folder)
        case _:
            return Copy(server, by_program=way == "base backup")


WAYS = ("dump", "snapshot", "base backup")
