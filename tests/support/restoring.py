"""Taking a database back to an earlier moment, with the commands that operators use."""

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path

from imagedrift_sandbox.postgres import DATABASE, PostgresServer
from imagedrift_sandbox.postgres_programs import run_program


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


def program(server: PostgresServer, name: str, *options: str | Path, of: PostgresServer) -> None:
    """Run a server's program on the database of a server."""
    assert server.binaries is not None
    run_program([server.binaries / name, f"--dbname={of.dsn()}", *options])


async def snapshot(server: PostgresServer) -> Callable[[], None]:
    """Copy the files of a stopped server, and start it again; the call that puts them back."""
    saved = server.home / "saved"
    cluster = server.home / "cluster"
    await server.stop()
    await asyncio.to_thread(run_program, ["cp", "-a", cluster, saved])
    await server.restart()

    def back() -> None:
        """Put the files back, the server being stopped."""
        shutil.rmtree(cluster)
        run_program(["cp", "-a", saved, cluster])

    return back
