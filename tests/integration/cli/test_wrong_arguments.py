"""A wrong argument or setting is one line that names it, and no traceback."""

import asyncio
import os
import tempfile
from pathlib import Path

import pytest

from imagedrift_sandbox.nats import NatsServer
from support.command_line import error_line, in_shell, piped
from support.operator import Operator


def test_a_number_that_the_database_cannot_have_is_a_wrong_argument(fleet_dsn: str) -> None:
    """A limit beyond every integer is the fault of the argument."""
    assert "out of range" in error_line(piped(fleet_dsn, "outdated", "--limit", "9" * 20), 64)


def test_a_name_that_is_too_long_is_not_repeated_whole(fleet_dsn: str) -> None:
    """An error is a line that can be read, whatever was typed."""
    assert len(error_line(piped(fleet_dsn, "host", "a" * 100_000), 4)) < 500


@pytest.mark.parametrize("command", ["host", "outdated", "history", "open"])
def test_an_argument_that_is_no_text_is_a_wrong_one(fleet_dsn: str, command: str) -> None:
    """Bytes that are no UTF-8 are an error of whoever typed them."""
    ended = in_shell(f"exec imagedrift {command} \"$(printf 'web-\\377')\"", fleet_dsn)

    assert (ended.returncode, ended.stdout) == (64, ""), ended.stderr
    [line] = ended.stderr.splitlines()
    assert "not UTF-8" in line


@pytest.mark.parametrize("variable", ["IMAGEDRIFT_RETIRE_DAYS", "IMAGEDRIFT_HISTORY_DAYS"])
def test_a_number_of_days_has_an_end(own_dsn: str, variable: str) -> None:
    """No date is that long ago."""
    days = {variable: "99999999"}
    assert variable in error_line(piped(own_dsn, "maintain", **days), 64)


ENDLESS = """
INSERT INTO fleet.decisions (kind, pattern, is_prefix, until, reason)
VALUES ('snooze', 'docker.io/library/nginx:1.27', false, '99999-01-01', 'x')
"""
"""A decision that `ops.decide` refuses."""


def test_a_time_that_cannot_be_shown_is_no_defect(own_dsn: str) -> None:
    """A decision that ends after the year 9999, written by SQL, ends the list in one line."""
    asyncio.run(Operator(own_dsn).ask(ENDLESS))
    assert "cannot be shown" in error_line(piped(own_dsn, "decisions"), 69)


@pytest.mark.parametrize("command", ["forget fra1/web-1", "rebuild"])
def test_what_nobody_can_confirm_is_not_done(fleet_dsn: str, command: str) -> None:
    """Without a terminal and without `--yes` a command says that it needs it, and does nothing."""
    ended = piped(fleet_dsn, *command.split())

    assert (ended.code, ended.out) == (64, "")
    assert ended.err.splitlines()[-1].endswith("not confirmed: --yes does it without asking")


def test_one_server_has_no_three_replicas(nats_server: NatsServer) -> None:
    """`--replicas 3` on one server is an error that says what it needs."""
    line = error_line(piped("", "streams", "--replicas", "3", NATS_URL=nats_server.url), 69)
    assert "--replicas 3 needs a cluster of 3 servers" in line


def test_no_engine_is_told_with_the_setting_that_names_one(tmp_path: Path) -> None:
    """Without an engine `scan` and `up` name the variable."""
    engine = {"DOCKER_HOST": f"unix://{tmp_path}/none.sock", "HOME": str(tmp_path)}
    with tempfile.TemporaryDirectory() as home:
        Path(home).chmod(0o755)
        for arguments in (["scan"], ["up", "--home", f"{home}/up"]):
            assert "DOCKER_HOST" in error_line(piped("", *arguments, **engine), 69)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs PostgreSQL as another user")
def test_a_home_that_cannot_hold_all_is_refused(tmp_path: Path) -> None:
    """`up` refuses a home that it cannot write to."""
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    line = error_line(piped("", "up", "--home", str(closed / "home"), HOME=str(tmp_path)), 69)
    assert "cannot be entered by nobody" in line
