"""A fault of an operator is one line that says what to do, and no traceback."""

import asyncio
import os
import re
import signal
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import pytest

from imagedrift_cli.top import CLEARED
from imagedrift_sandbox.free_port import LOOPBACK, free_port
from imagedrift_sandbox.nats import NatsServer
from imagedrift_sandbox.postgres import PostgresServer
from imagedrift_sandbox.processes import console_script
from support.command_line import Ended, piped, watched
from support.operator import Operator
from support.polling import until

LOGIN = "postgresql://reader:secret@"


def as_reader(dsn: str) -> str:
    """The same database, for a login that nobody gave a right."""
    return re.sub(r"postgresql://[^@]*@", LOGIN, dsn)


@pytest.fixture
def reader_dsn(own_dsn: str) -> Iterator[str]:
    """A login without rights."""
    asyncio.run(Operator(own_dsn).ask("CREATE ROLE reader LOGIN PASSWORD 'secret'"))
    yield as_reader(own_dsn)
    asyncio.run(Operator(own_dsn).ask("DROP OWNED BY reader"))
    asyncio.run(Operator(own_dsn).ask("DROP ROLE reader"))


def told(ended: Ended, code: int) -> str:
    """The one line that a command ended with."""
    assert ended.code == code, ended.err
    assert ended.out == ""
    [line] = ended.err.splitlines()
    return line


def test_a_stopped_database_is_named_without_its_password() -> None:
    """A stopped database is one line with its address and without its password."""
    line = told(piped(f"postgresql://me:hunter2@{LOOPBACK}:{free_port()}/x", "outdated"), 69)

    assert "cannot be reached" in line
    assert "is it started" in line
    assert LOOPBACK in line
    assert "hunter2" not in line


def test_a_login_that_is_refused_is_told(own_dsn: str) -> None:
    """A wrong password is reported as the login's fault."""
    assert "refuses this login" in told(piped(as_reader(own_dsn), "hosts"), 69)


@pytest.mark.parametrize("command", ["outdated", "migrate", "maintain"])
@pytest.mark.parametrize(
    ("option", "code", "words"),
    [
        ("sslmode=bad", 64, "must be one of: disable"),
        ("sslmode=verify-full", 64, "root.crt"),
        ("sslmode=require&sslcert=/none&sslkey=/none", 69, "sslcert"),
        ("target_session_attrs=bad", 64, "is one of any, primary"),
        ("target_session_attrs=standby", 69, "target_session_attrs asks for"),
        ("connect_timeout=1", 64, 'parameter "connect_timeout"'),
        ("foo=bar", 64, 'parameter "foo"'),
        ("ssl=true", 64, '"ssl" cannot be changed'),
    ],
)
def test_a_wrong_option_of_the_address_is_told_as_one(
    own_dsn: str, command: str, option: str, code: int, words: str
) -> None:
    """A wrong option is the address's fault, in one line, and no server is called away."""
    line = told(piped(f"{own_dsn}?{option}", command, HOME="/none"), code)

    assert words in line
    assert ("is it started" in line) == option.startswith("sslmode=require")


@pytest.mark.parametrize(
    ("variable", "value", "code"),
    [
        ("PGPORT", "x", 64),
        ("PGPORT", "99999", 64),
        ("PGSSLMODE", "x", 64),
        ("PGTARGETSESSIONATTRS", "x", 64),
    ],
)
def test_a_wrong_variable_of_postgresql_is_told(variable: str, value: str, code: int) -> None:
    """A wrong value of a variable that adds to the address is told in one line."""
    wrong = {variable: value}
    assert "PG variable" in told(piped("postgresql://me@127.0.0.1/x", "outdated", **wrong), code)


def test_a_warning_of_a_library_is_a_note(tmp_path: Path) -> None:
    """A password file that is a folder is told without a line of anybody's code."""
    dsn = f"postgresql://me@{LOOPBACK}:{free_port()}/x"
    ended = piped(dsn, "outdated", PGPASSFILE=str(tmp_path))

    note, error = ended.err.splitlines()
    assert note.startswith("note: password file")
    assert error.startswith("Error: the database")


def test_a_number_that_the_database_cannot_have_is_a_wrong_argument(fleet_dsn: str) -> None:
    """A limit beyond every integer is the fault of the argument."""
    assert "out of range" in told(piped(fleet_dsn, "outdated", "--limit", "9" * 20), 64)


ENDLESS = """
INSERT INTO fleet.decisions (kind, pattern, is_prefix, until, reason)
VALUES ('snooze', 'docker.io/library/nginx:1.27', false, '99999-01-01', 'x')
"""
"""A decision that `ops.decide` refuses."""


def test_a_time_that_cannot_be_shown_is_no_defect(own_dsn: str) -> None:
    """A decision that ends after the year 9999, written by SQL, ends the list in one line."""
    asyncio.run(Operator(own_dsn).ask(ENDLESS))
    assert "cannot be shown" in told(piped(own_dsn, "decisions"), 69)


def test_a_name_that_is_too_long_is_not_repeated_whole(fleet_dsn: str) -> None:
    """An error is a line that can be read, whatever was typed."""
    assert len(told(piped(fleet_dsn, "host", "a" * 100_000), 4)) < 500


@pytest.mark.parametrize("variable", ["IMAGEDRIFT_RETIRE_DAYS", "IMAGEDRIFT_HISTORY_DAYS"])
def test_a_number_of_days_has_an_end(own_dsn: str, variable: str) -> None:
    """No date is that long ago."""
    days = {variable: "99999999"}
    assert variable in told(piped(own_dsn, "maintain", **days), 64)


def test_a_database_that_is_only_read_is_told(own_dsn: str) -> None:
    """A decision on a standby fails with a line that names the right database."""
    name = own_dsn.rpartition("/")[2]
    change = f"ALTER DATABASE {name} SET default_transaction_read_only = on"
    asyncio.run(Operator(own_dsn).ask(change))

    line = told(piped(own_dsn, "decide", "nginx:1.27", "accept", "--reason", "x"), 69)

    assert "the one that is written to" in line
    assert len(piped(own_dsn, "outdated").lines) == 5


def test_a_server_without_a_connection_left_is_not_called_away(
    reader_dsn: str, own_dsn: str
) -> None:
    """A login that has all its connections is told so."""
    asyncio.run(Operator(own_dsn).ask("ALTER ROLE reader CONNECTION LIMIT 0"))
    assert "takes no connection more" in told(piped(reader_dsn, "hosts"), 69)


def test_a_missing_right_is_told_with_its_grant(reader_dsn: str) -> None:
    """A missing right is reported with the role that has it."""
    assert "GRANT imagedrift_operator" in told(piped(reader_dsn, "hosts"), 69)


def test_a_reader_cannot_drop_a_letter(reader_dsn: str, own_dsn: str) -> None:
    """A reader cannot drop a dead letter, and learns which role can."""
    asyncio.run(Operator(own_dsn).ask("GRANT imagedrift_operator TO reader"))
    [letter] = asyncio.run(Operator(own_dsn).ask("SELECT letter FROM ops.dead_letters"))

    line = told(piped(reader_dsn, "dead-letters", "--drop", letter["letter"]), 69)

    assert "imagedrift_writer" in line


@pytest.mark.parametrize("command", ["forget fra1/job-1 --yes", "maintain"])
def test_a_right_that_a_change_needs_is_told_with_its_role(
    reader_dsn: str, own_dsn: str, command: str
) -> None:
    """A reader that wants to change something learns which role can."""
    asyncio.run(Operator(own_dsn).ask("GRANT imagedrift_operator TO reader"))

    assert "imagedrift_writer" in told(piped(reader_dsn, *command.split()), 69)


@pytest.mark.parametrize("command", ["migrate", "maintain"])
def test_an_owner_s_command_names_the_database_that_is_away(command: str) -> None:
    """A stopped database is one line with its address and without its password, for owners, too."""
    line = told(piped(f"postgresql://me:hunter2@{LOOPBACK}:{free_port()}/x", command), 69)

    assert "cannot be reached" in line
    assert LOOPBACK in line
    assert "hunter2" not in line


def test_a_letter_is_shown_and_dropped(own_dsn: str) -> None:
    """A dead letter is shown with its message, and gone after a drop."""
    [letter] = asyncio.run(Operator(own_dsn).ask("SELECT letter FROM ops.dead_letters"))
    name = letter["letter"]

    assert "no inventory" in piped(own_dsn, "dead-letters", "--show", name).out
    assert piped(own_dsn, "dead-letters", "--drop", name).out == f"dropped {name}\n"
    assert len(piped(own_dsn, "dead-letters").lines) == 1
    assert piped(own_dsn, "dead-letters", "--drop", name).code == 4


@pytest.mark.parametrize("dropped", ["schema ops cascade", "view ops.activity"])
def test_another_schema_is_told_with_its_remedy(own_dsn: str, dropped: str) -> None:
    """A database with another schema is reported with the fix."""
    asyncio.run(Operator(own_dsn).ask(f"DROP {dropped}"))
    assert "run `imagedrift migrate`" in told(piped(own_dsn, "top"), 69)


def test_no_schema_is_told_before_maintenance(postgres_server: PostgresServer) -> None:
    """`maintain` on a database without the schema is one line with the fix."""
    line = told(piped(postgres_server.dsn().rpartition("/")[0] + "/postgres", "maintain"), 69)
    assert "run `imagedrift migrate`" in line


def test_a_host_of_two_is_not_forgotten(own_dsn: str) -> None:
    """`forget` refuses a name that two hosts have."""
    assert "2 hosts are called web-1" in told(piped(own_dsn, "forget", "web-1", "--yes"), 64)
    assert piped(own_dsn, "forget", "fra1/web-1", "--yes").out == "forgotten: fra1/web-1\n"
    assert "are called" not in piped(own_dsn, "host", "web-1").err


@pytest.mark.parametrize("command", ["forget fra1/web-1", "rebuild"])
def test_what_nobody_can_confirm_is_not_done(fleet_dsn: str, command: str) -> None:
    """Without a terminal and without `--yes` a command says that it needs it, and does nothing."""
    ended = piped(fleet_dsn, *command.split())

    assert (ended.code, ended.out) == (64, "")
    assert ended.err.splitlines()[-1].endswith("not confirmed: --yes does it without asking")


def test_one_server_has_no_three_replicas(nats_server: NatsServer) -> None:
    """`--replicas 3` on one server is an error that says what it needs."""
    line = told(piped("", "streams", "--replicas", "3", NATS_URL=nats_server.url), 69)
    assert "--replicas 3 needs a cluster of 3 servers" in line


@pytest.fixture
def nats_url(nats_server: NatsServer) -> str:
    """A NATS server that has what services need, and no service."""
    assert piped("", "streams", NATS_URL=nats_server.url).code == 0
    return nats_server.url


def test_a_check_tells_which_registry_blocks_and_who_is_silent(own_dsn: str, nats_url: str) -> None:
    """A registry that blocks is not asked; that no resolver answers is told, too: exit 2."""
    block = "UPDATE fleet.registry_states SET blocked_until = now() + interval '1 hour'"
    asyncio.run(Operator(own_dsn).ask(block))

    blocked = piped(own_dsn, "check", "nginx:1.27", NATS_URL=nats_url)
    host = piped(own_dsn, "check", "ber1/web-1", "--wait", "1", NATS_URL=nats_url)

    assert blocked.code == host.code == 2
    until = r"docker.io/library/nginx:1.27  not asked: docker.io blocks until \S+Z\n"
    assert re.fullmatch(until, blocked.out), blocked.out
    lines = dict(line.split("  ", 1) for line in host.lines)
    assert len(lines) == 4
    assert lines["docker.io/library/redis:7"].startswith("not asked: docker.io blocks")
    silent = "no answer within 1 s: see `imagedrift top`"
    assert lines["registry.example.org/team/app:3"] == silent


def test_top_tells_what_nobody_has_read(own_dsn: str, nats_url: str) -> None:
    """A question that no resolver has taken is pending; without NATS_URL that is not known."""
    piped(own_dsn, "check", "nginx:1.27", "--wait", "1", NATS_URL=nats_url)

    shown = piped(own_dsn, "top", NATS_URL=nats_url)
    line = r"^queues    unread inventories 0, questions [1-9]\d*, answers 0; in flight 0$"
    assert re.search(line, shown.out, re.MULTILINE), shown.out
    assert "not looked at, as NATS_URL is not set" in piped(own_dsn, "top").out


def test_top_looks_again_until_ctrl_c(fleet_dsn: str) -> None:
    """On a terminal each look takes the place of the one before; Ctrl-C is its normal end."""

    def twice(out: str) -> bool:
        return out.count(CLEARED) > 2

    shown = watched(["top", "--interval", "0.5"], {"DATABASE_URL": fleet_dsn}, enough=twice)

    assert shown.code == 0, shown.err
    assert shown.out.startswith(CLEARED)
    assert shown.out.count("hosts     4, silent 1") >= 2


def test_no_engine_is_told_with_the_setting_that_names_one(tmp_path: Path) -> None:
    """Without an engine `scan` and `up` name the variable."""
    engine = {"DOCKER_HOST": f"unix://{tmp_path}/none.sock", "HOME": str(tmp_path)}
    with tempfile.TemporaryDirectory() as home:
        Path(home).chmod(0o755)
        for arguments in (["scan"], ["up", "--home", f"{home}/up"]):
            assert "DOCKER_HOST" in told(piped("", *arguments, **engine), 69)


def test_a_scan_of_a_list_that_is_not_there_names_its_setting(tmp_path: Path) -> None:
    """A list that cannot be read is told with the variable that names it, and not with another."""
    source = f"list:{tmp_path}/none.txt"
    line = told(piped("", "scan", IMAGEDRIFT_SOURCE=source, HOME=str(tmp_path)), 69)

    assert f"{source} (IMAGEDRIFT_SOURCE)" in line
    assert "DOCKER_HOST" not in line


def test_a_scan_of_a_list_tells_what_it_passes_over(tmp_path: Path) -> None:
    """A scan reports each skipped entry of a list with its place, and counts them."""
    listed = tmp_path / "images.txt"
    listed.write_text(f"docker://sha256:{'0' * 64}\n")

    ended = piped("", "scan", IMAGEDRIFT_SOURCE=f"list:{listed}", HOME=str(tmp_path))

    assert ended.code == 0
    [remark, counted] = ended.err.splitlines()
    assert remark.startswith(f"note: {listed}: line 1: ")
    assert counted == "note: not reported in full: 1 (refused)"


def test_a_full_disk_is_told(fleet_dsn: str) -> None:
    """A result that cannot be written is an error."""
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run(
            [console_script("imagedrift"), "outdated"],
            env={"DATABASE_URL": fleet_dsn, "PATH": os.defpath},
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert ended.returncode == 69
    assert "No space left on device" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_closed_output_is_told(fleet_dsn: str) -> None:
    """Nothing is asked and nothing done where nobody could read of it."""
    ended = in_shell("exec imagedrift outdated >&-", fleet_dsn)

    assert (ended.returncode, ended.stderr) == (69, "Error: standard output is closed\n")


@pytest.mark.parametrize(
    ("command", "code", "lines"),
    [("outdated", 0, 5), ("outdated --exit-code", 1, 5), ("host zzz", 4, 0), ("outdatd", 64, 0)],
)
@pytest.mark.parametrize("lost", ["2>/dev/full", "2>&1 >&3 3>&- | true"])
def test_a_remark_that_cannot_be_written_changes_nothing(
    fleet_dsn: str, command: str, code: int, lines: int, lost: str
) -> None:
    """Neither a full standard error nor one that nobody reads, and never to 1 by itself."""
    told = f"{{ imagedrift {command}; echo $? >&4; }}"
    ended = in_shell(f"{{ {told} {lost}; }} 4>&2 3>&1", fleet_dsn)

    assert ended.stderr == f"{code}\n"
    assert len(ended.stdout.splitlines()) == lines


@pytest.mark.parametrize("closed", ["<&-", "2>&-", "<&- 2>&-"])
def test_other_closed_streams_do_no_harm(fleet_dsn: str, closed: str) -> None:
    """No file or socket takes their number."""
    ended = in_shell(f"exec imagedrift outdated {closed}", fleet_dsn)

    assert (ended.returncode, ended.stderr) == (0, "" if "2>" in closed else ended.stderr)
    assert len(ended.stdout.splitlines()) == 5


def in_shell(command: str, dsn: str) -> "subprocess.CompletedProcess[str]":
    """Run a line of a shell in which the command is known."""
    folder = Path(console_script("imagedrift")).parent
    environment = {"DATABASE_URL": dsn, "PATH": f"{folder}:{os.defpath}"}
    return subprocess.run(
        ["sh", "-c", command], env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("command", ["host", "outdated", "history", "open"])
def test_an_argument_that_is_no_text_is_a_wrong_one(fleet_dsn: str, command: str) -> None:
    """Bytes that are no UTF-8 are an error of whoever typed them."""
    ended = in_shell(f"exec imagedrift {command} \"$(printf 'web-\\377')\"", fleet_dsn)

    assert (ended.returncode, ended.stdout) == (64, ""), ended.stderr
    [line] = ended.stderr.splitlines()
    assert "not UTF-8" in line


def begun(*arguments: str, **environment: str) -> "subprocess.Popen[str]":
    """Start the command in a pipe."""
    return subprocess.Popen(
        [console_script("imagedrift"), *arguments],
        env={"PATH": os.defpath} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


WAITING = "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock'"


@pytest.fixture
async def held(own_dsn: str) -> AsyncIterator["subprocess.Popen[str]"]:
    """A list that waits, as somebody has locked what it reads."""
    connection = await asyncpg.connect(own_dsn)
    try:
        async with connection.transaction():
            await connection.execute("LOCK TABLE fleet.host_images IN ACCESS EXCLUSIVE MODE")
            with begun("outdated", DATABASE_URL=own_dsn) as process:
                await until(lambda: Operator(own_dsn).ask(WAITING), "the list waits")
                yield process
                process.kill()
    finally:
        await connection.close()


async def test_a_database_that_goes_away_in_the_middle_is_told(
    held: "subprocess.Popen[str]", own_dsn: str
) -> None:
    """A query whose connection is lost is one line, and no half of an answer."""
    ending = WAITING.replace("pid", "pg_terminate_backend(pid)", 1)
    await Operator(own_dsn).ask(ending)

    out, err = await asyncio.to_thread(held.communicate, timeout=30)

    assert (held.returncode, out) == (69, ""), err
    [line] = err.splitlines()
    assert line.startswith("Error: the database")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_query_is_ended_by_ctrl_c_and_by_sigterm(
    held: "subprocess.Popen[str]", own_dsn: str, number: signal.Signals
) -> None:
    """The database is told, so that it does not go on for nobody."""
    held.send_signal(number)
    out, err = await asyncio.to_thread(held.communicate, timeout=30)

    assert (held.returncode, out, err.strip()) == (130, "", "")

    async def is_over() -> bool:
        return not await Operator(own_dsn).ask(WAITING)

    await until(is_over, "no query is left")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs PostgreSQL as another user")
def test_a_home_that_cannot_hold_all_is_refused(tmp_path: Path) -> None:
    """`up` refuses a home that it cannot write to."""
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    line = told(piped("", "up", "--home", str(closed / "home"), HOME=str(tmp_path)), 69)
    assert "cannot be entered by nobody" in line


def test_completion_is_a_script_that_names_commands(postgres_server: PostgresServer) -> None:
    """The completion script offers commands and options."""
    assert "_IMAGEDRIFT_COMPLETE" in piped("", "completion", "bash").out
    asking = {"_IMAGEDRIFT_COMPLETE": "bash_complete", "COMP_CWORD": "1"}
    assert piped("", COMP_WORDS="imagedrift outd", **asking).out.split(",")[-1] == "outdated\n"
