"""The embedded servers start, keep their data, and leave nothing behind."""

import asyncio
from pathlib import Path
from tempfile import TemporaryDirectory

import asyncpg
import nats
import pytest

from imagedrift_sandbox.child_process import ProgramError
from imagedrift_sandbox.nats import NatsServer
from imagedrift_sandbox.postgres import PostgresServer


def alive(pid: int) -> bool:
    """Whether a process of that id exists."""
    return Path(f"/proc/{pid}").exists()


async def shown(dsn: str, setting: str) -> str:
    """A setting of PostgreSQL as it is in force."""
    connection = await asyncpg.connect(dsn)
    try:
        return str(await connection.fetchval(f"SHOW {setting}"))
    finally:
        await connection.close()


async def test_nats_serves_jetstream_and_stops_without_a_trace() -> None:
    """A NATS server takes a stream and a message; its process and directory are gone after."""
    async with NatsServer.start() as server:
        client = await nats.connect(server.url)
        stream = client.jetstream()
        await stream.add_stream(name="S", subjects=["s.>"])
        ack = await stream.publish("s.1", b"x")
        await client.close()

    assert ack.seq == 1
    assert not alive(server.pid)
    assert not server.home.exists()


async def test_nats_pins_the_reply_formats_that_our_client_reads() -> None:
    """The reply of a message to acknowledge has the nine tokens of version 1."""
    async with NatsServer.start() as server:
        client = await nats.connect(server.url)
        stream = client.jetstream()
        await stream.add_stream(name="S", subjects=["s.>"])
        await stream.publish("s.1", b"x")
        subscription = await stream.pull_subscribe("s.>", durable="d")
        (message,) = await subscription.fetch(1)
        await client.close()

    assert len(message.reply.split(".")) == 9


@pytest.mark.parametrize("crash", [False, True], ids=["stopped", "killed"])
async def test_nats_restart_keeps_port_and_messages(crash: bool) -> None:
    """A restarted server has the same url and the same messages, after a crash too."""
    async with NatsServer.start() as server:
        url = server.url
        client = await nats.connect(url)
        await client.jetstream().add_stream(name="S", subjects=["s.>"])
        await client.jetstream().publish("s.1", b"x")
        await client.close()
        if crash:
            server.kill()
        await server.restart()
        client = await nats.connect(server.url)
        info = await client.jetstream().stream_info("S")
        await client.close()

    assert server.url == url
    assert info.state.messages == 1


async def test_nats_keeps_a_given_store(tmp_path: Path) -> None:
    """A server started again on a given store has the stream of the first."""
    for _ in range(2):
        async with NatsServer.start(store_dir=tmp_path) as server:
            client = await nats.connect(server.url)
            await client.jetstream().add_stream(name="S", subjects=["s.>"])
            ack = await client.jetstream().publish("s.1", b"x")
            await client.close()

    assert ack.seq == 2


async def test_a_start_that_is_cancelled_leaves_no_server() -> None:
    """A start that is given up leaves neither process nor directory."""
    server = NatsServer()

    async def start() -> None:
        async with server.starting():
            raise AssertionError("it was to be cancelled before")

    starting = asyncio.create_task(start())
    await asyncio.sleep(0)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting

    assert server.child is not None
    assert not alive(server.pid)
    assert not server.home.exists()


async def test_nats_takes_additional_configuration() -> None:
    """The settings of `config_extra` are in force."""
    async with NatsServer.start(config_extra="max_payload: 1000") as server:
        client = await nats.connect(server.url)
        limit = client.max_payload
        await client.close()

    assert limit == 1000


async def test_a_wrong_configuration_fails_with_the_servers_own_words() -> None:
    """A server that ends at once is an error that shows its log."""
    with pytest.raises(ProgramError, match="no_such_key"):
        async with NatsServer.start(config_extra="no_such_key: 1"):
            pass


async def test_postgres_serves_and_stops_without_a_trace() -> None:
    """PostgreSQL answers as the superuser; its process and directory are gone after."""
    async with PostgresServer.start() as server:
        connection = await asyncpg.connect(server.dsn())
        name = await connection.fetchval("SELECT current_database()")
        await connection.close()

    assert name == "imagedrift"
    assert server.child is not None
    assert server.child.exit_code == 0
    assert not alive(server.pid)
    assert not server.home.exists()


async def test_postgres_wants_its_password(postgres_server: PostgresServer) -> None:
    """Another user of this machine cannot log in without the generated password."""
    dsn = postgres_server.dsn()
    password = dsn.split(":")[2].split("@")[0]

    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(dsn.replace(password, "guess"))


async def test_postgres_copies_a_template(postgres_server: PostgresServer) -> None:
    """A database made from a template has the template's tables."""
    first = postgres_server.create_database("template_of_test")
    connection = await asyncpg.connect(first)
    await connection.execute("CREATE TABLE kept AS SELECT 7 AS value")
    await connection.close()
    second = postgres_server.create_database("copy_of_test", "template_of_test")
    connection = await asyncpg.connect(second)
    value = await connection.fetchval("SELECT value FROM kept")
    await connection.close()
    postgres_server.drop_database("copy_of_test")
    postgres_server.drop_database("template_of_test")

    assert value == 7


async def test_postgres_keeps_a_given_directory() -> None:
    """A second server on the same directory has the first one's rows and password."""
    with TemporaryDirectory() as name:
        home = Path(name)
        home.chmod(0o755)  # within reach of who runs the server when we are root
        for number in range(2):
            async with PostgresServer.start(data_dir=home) as server:
                connection = await asyncpg.connect(server.dsn())
                await connection.execute("CREATE TABLE IF NOT EXISTS t (a int)")
                await connection.execute("INSERT INTO t VALUES ($1)", number)
                rows = await connection.fetchval("SELECT count(*) FROM t")
                await connection.close()
        assert (home / "cluster").exists()

    assert rows == 2


async def test_postgres_restarts_after_a_crash_on_the_same_port() -> None:
    """Committed rows are there after a kill and a restart."""
    async with PostgresServer.start() as server:
        dsn = server.dsn()
        connection = await asyncpg.connect(dsn)
        await connection.execute("CREATE TABLE t AS SELECT 1 AS a")
        server.kill()
        connection.terminate()
        await server.restart()
        connection = await asyncpg.connect(dsn)
        rows = await connection.fetchval("SELECT count(*) FROM t")
        await connection.close()

    assert rows == 1


async def test_postgres_is_fast_or_durable_as_asked(postgres_server: PostgresServer) -> None:
    """Flushing to disk is off unless asked for; settings given win."""
    async with PostgresServer.start(settings={"work_mem": "7MB"}, durable=True) as server:
        durable = [await shown(server.dsn(), name) for name in ("fsync", "work_mem")]
    fast = await shown(postgres_server.dsn(), "fsync")

    assert (durable, fast) == (["on", "7MB"], "off")


async def test_postgres_15_of_debian_runs_too(database_dsn_15: str) -> None:
    """The launcher serves the oldest supported version."""
    connection = await asyncpg.connect(database_dsn_15)
    version = await connection.fetchval("SHOW server_version_num")
    await connection.close()

    assert version.startswith("15")


def test_a_folder_without_postgres_is_refused_by_name(tmp_path: Path) -> None:
    """The error names the folder and what is missing in it."""
    with (
        pytest.raises(ProgramError, match=f"no postgres, .* in {tmp_path}"),
        PostgresServer.start_sync(binaries=tmp_path),
    ):
        pass
