"""`imagedrift notify`: the file of routes is checked, tried out and shown."""

from pathlib import Path

from support.command_line import Ended, piped
from support.notifier import TOKEN, write_routes

CHAT = 'digest = "0 8 * * MON"\nquiet = ["22:00-07:00"]\nerrors = true'
"""The keys of a route that sends at certain times."""


def notify(dsn: str, folder: Path, *arguments: str, **tables: str) -> Ended:
    """Run the command on a file of these routes, whose channels nobody serves."""
    routes = write_routes(folder, "http://127.0.0.1:1", **tables)
    return piped(dsn, "notify", *arguments, IMAGEDRIFT_ROUTES=str(routes))


def test_routes_are_listed_with_what_they_tell_and_when(fleet_dsn: str, tmp_path: Path) -> None:
    """Each route is a line; no address is shown."""
    ended = notify(fleet_dsn, tmp_path, ops="", chat=CHAT)

    assert ended.code == 0
    assert ended.lines[0].startswith("ops: webhook, now, next at 20")
    assert ended.lines[1].startswith(
        "chat: apprise, digest 0 8 * * MON (UTC), quiet 22:00-07:00 (UTC)"
    )
    assert ended.lines[1].endswith("tells of outdated, version, error")
    assert TOKEN not in ended.out


def test_a_file_without_a_route_says_that_nothing_is_sent(fleet_dsn: str, tmp_path: Path) -> None:
    """A file as it is shipped is no fault."""
    ended = notify(fleet_dsn, tmp_path)

    assert (ended.code, ended.lines) == (0, [f"{tmp_path}/routes.toml: no route: nothing is sent"])


def test_what_would_be_sent_is_shown(fleet_dsn: str, tmp_path: Path) -> None:
    """A dry run prints the messages of all routes, or of one, and sends nothing."""
    ended = notify(fleet_dsn, tmp_path, "--dry-run", ops="", none='registry = ["quay.io"]')
    one = notify(fleet_dsn, tmp_path, "--dry-run", "--route", "none", none='registry = ["quay.io"]')

    assert (ended.code, one.code) == (0, 0)
    assert ended.lines[0].startswith("== ops: docker.io/")
    assert "https://drift.example.org/image?reference=" in ended.out
    assert one.out == "nothing is due on these routes\n"


def test_a_name_that_no_host_has_is_told(fleet_dsn: str, tmp_path: Path) -> None:
    """A slip in a route's site, place, label or registry would make it silent for ever."""
    slips = 'site = ["fr1", "ber1"]\nplace = ["nowhere"]\nregistry = ["dockr.io"]'
    slips += '\nlabel = {env = "prd"}'
    listed = notify(fleet_dsn, tmp_path, ops=slips)
    dry = notify(fleet_dsn, tmp_path, "--dry-run", ops=slips, all="")

    limits = "; site fr1, ber1; place nowhere; label env=prd; registry dockr.io"
    assert listed.lines[0].endswith(f"tells of outdated, version{limits}")
    assert dry.code == 0
    assert [line.partition(";")[0] for line in dry.err.splitlines()] == [
        "note: route ops: no such site: fr1",
        "note: route ops: no such place: nowhere",
        "note: route ops: no such label: env=prd",
        "note: route ops: no such registry: dockr.io",
    ]
    assert "did you mean fra1?" in dry.err


def test_what_is_wrong_is_told_in_a_line(fleet_dsn: str, tmp_path: Path) -> None:
    """Wrong keys, names and uses end with 64 or 4, a channel that fails with 69."""
    wrong = notify(fleet_dsn, tmp_path, ops='zone = "X"')
    assert (wrong.code, wrong.err) == (
        64,
        f'Error: {tmp_path}/routes.toml:5: route.ops.zone: write a time zone, as "Europe/Berlin"'
        ' or "UTC"\n',
    )
    unknown = notify(fleet_dsn, tmp_path, "--test", "obs", ops="")
    assert (unknown.code, unknown.err) == (4, "Error: no such route: obs; did you mean ops?\n")
    failing = notify(fleet_dsn, tmp_path, "--test", "ops", ops="")
    assert failing.code == 69
    assert failing.err.startswith("Error: route ops: not sent: cannot be connected to")
    for arguments in (("--test", "ops", "--dry-run"), ("--route", "ops")):
        assert notify(fleet_dsn, tmp_path, *arguments, ops="").code == 64
    (tmp_path / "key").unlink()
    assert TOKEN not in wrong.err + unknown.err + failing.err


def test_a_missing_setting_and_a_missing_secret_are_named(fleet_dsn: str, tmp_path: Path) -> None:
    """Without IMAGEDRIFT_ROUTES, or with a secret that cannot be read, the line says which."""
    unset = piped(fleet_dsn, "notify")
    assert (unset.code, "IMAGEDRIFT_ROUTES: required but not set" in unset.err) == (64, True)
    routes = write_routes(tmp_path, "http://127.0.0.1:1", ops="")
    (tmp_path / "key").unlink()
    missing = piped(fleet_dsn, "notify", IMAGEDRIFT_ROUTES=str(routes))
    assert missing.code == 64
    assert f"route.ops.secret_file: '{tmp_path}/key' cannot be read: No such file" in missing.err


def test_a_database_that_is_away_is_told(tmp_path: Path) -> None:
    """A dry run without a database ends with 69."""
    ended = notify("postgresql://nobody@127.0.0.1:1/none", tmp_path, "--dry-run", ops="")

    assert ended.code == 69
    assert ended.err.startswith("Error: the database (DATABASE_URL): ConnectionRefusedError")
