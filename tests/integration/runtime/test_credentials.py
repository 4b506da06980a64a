"""Credentials files and TLS: who is let in, who is not, and what happens when they expire."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from imagedrift_runtime.health import Health
from imagedrift_runtime.nats.bus import connect
from imagedrift_runtime.nats.errors import NoBus, NotPublished
from imagedrift_runtime.nats.results import Stored
from imagedrift_sandbox.nats import NatsServer
from support.nats_bus import OwnStream, opened
from support.nats_client import nats_client
from support.nats_operator import NatsOperator
from support.polling import until
from support.programs import require_program


@pytest.fixture
def operator() -> NatsOperator:
    """An operator who signs credentials."""
    return NatsOperator()


@pytest.fixture
def guarded(operator: NatsOperator) -> Iterator[NatsServer]:
    """A server that trusts nobody but the operator's users."""
    with NatsServer.start_sync(config_extra=operator.config) as server:
        yield server


async def test_a_credentials_file_lets_in(
    guarded: NatsServer, operator: NatsOperator, tmp_path: Path
) -> None:
    """Without a credentials file the server refuses, in its own words."""
    path = operator.write_credentials(tmp_path / "user.creds")

    async with opened(guarded.url, credentials=str(path)) as (bus, connection):
        own = await OwnStream.make(bus, js=connection.js)
        assert await bus.publish(f"{own.subject}.a", b"x") == Stored(1)
    with pytest.raises(NoBus, match=r"(?i)authorization violation"):
        async with connect([guarded.url], "test", within_s=2):
            pass


@pytest.mark.parametrize("password", ["p@ss/w:o?r#d%41[é", "plain"])
async def test_a_password_is_percent_encoded_in_the_address(password: str) -> None:
    """As in every URL: it may have any character in it."""
    name = json.dumps(password, ensure_ascii=False)
    config = f'authorization {{ user: "me@site", password: {name} }}\n'
    with NatsServer.start_sync(config_extra=config) as server:
        login = f"{quote('me@site', safe='')}:{quote(password, safe='')}"
        url = server.url.replace("//", f"//{login}@")
        async with opened(url) as (bus, connection):
            await connection.js.add_stream(name="S", subjects=["mine.>"])
            assert await bus.publish("mine.a", b"x") == Stored(1)


async def test_a_user_may_only_what_his_credentials_say(
    guarded: NatsServer, operator: NatsOperator, tmp_path: Path
) -> None:
    """An inbox of his own and one subject: that is enough to publish, and for nothing else."""
    admin = operator.write_credentials(tmp_path / "admin.creds")
    agent = operator.write_credentials(
        tmp_path / "agent.creds",
        pub={"allow": ["mine.>"]},
        sub={"allow": ["_INBOX_me.>"]},
    )
    async with (
        nats_client(guarded.url, user_credentials=str(admin)) as client,
        opened(guarded.url, credentials=str(agent), inbox="_INBOX_me", call_within_s=0.5) as (
            me,
            _,
        ),
    ):
        await client.jetstream().add_stream(name="S", subjects=["mine.>", "yours.>"])

        assert await me.publish("mine.a", b"x") == Stored(1)
        with pytest.raises(NotPublished, match=r"(?i)permissions violation.*yours\.a"):
            await me.publish("yours.a", b"x")


async def test_expired_credentials_that_are_renewed_let_in_again(
    guarded: NatsServer, operator: NatsOperator, tmp_path: Path
) -> None:
    """The file is read at every connection: whoever renews it has to tell nobody."""
    path = operator.write_credentials(tmp_path / "user.creds", expires_in_s=2)
    health = Health(["nats"])
    async with opened(guarded.url, credentials=str(path), health=health, probe_every_s=0.2) as (
        bus,
        connection,
    ):
        own = await OwnStream.make(bus, js=connection.js)
        await until(lambda: not health.is_ready, what="the server has sent us away")
        operator.write_credentials(path)
        await until(lambda: health.is_ready, what="we are back", within_s=15)

        assert await bus.publish(f"{own.subject}.a", b"x") == Stored(1)


async def test_tls_is_spoken_with_a_ca_of_ours(tmp_path: Path) -> None:
    """A server whose certificate our CA signed is trusted; without the CA it is not."""
    ca, certificate, key = _certificates(tmp_path)
    config = f'tls {{ cert_file: "{certificate}", key_file: "{key}", timeout: 5 }}'
    async with NatsServer.start(config_extra=config) as server:
        async with opened(server.url, ca=str(ca)) as (bus, connection):
            own = await OwnStream.make(bus, js=connection.js)
            assert await bus.publish(f"{own.subject}.a", b"x") == Stored(1)
        with pytest.raises(NoBus, match=r"certificate verify failed.*NATS_CA has to name"):
            async with connect([server.url], "test", within_s=2):
                pass


async def test_a_server_without_tls_is_told_where_tls_is_asked_for(
    nats_server: NatsServer,
) -> None:
    """An address with `tls://` of a plain server is told as that, and how to mend it."""
    with pytest.raises(NoBus, match="the server speaks no TLS"):
        async with connect([nats_server.url.replace("nats://", "tls://")], "test", within_s=2):
            pass


async def test_tls_is_spoken_first_where_the_server_expects_that(tmp_path: Path) -> None:
    """A server with `handshake_first` says nothing in plain text; who waits for it gives up."""
    ca, certificate, key = _certificates(tmp_path)
    files = f'cert_file: "{certificate}", key_file: "{key}", timeout: 5'
    async with NatsServer.start(config_extra=f"tls {{ {files}, handshake_first: true }}") as server:
        async with opened(server.url, ca=str(ca), tls_first=True) as (bus, connection):
            own = await OwnStream.make(bus, js=connection.js)
            assert await bus.publish(f"{own.subject}.a", b"x") == Stored(1)
        with pytest.raises(NoBus):
            async with connect([server.url], "test", ca=str(ca), within_s=2):
                pass


async def test_addresses_in_a_file_are_read_at_each_connection(tmp_path: Path) -> None:
    """A server that is gone is replaced by the one that the file names now, without a restart."""
    file = tmp_path / "nats-url"
    health = Health(["nats"])
    async with NatsServer.start() as first, NatsServer.start() as second:
        file.write_text(first.url + "\n")
        async with connect(
            ["nats://127.0.0.1:1"], "test", urls_file=str(file), health=health, probe_every_s=0.2
        ) as bus:
            assert bus.server.endswith(f":{first.port}")
            file.write_text("nats://me:word@nowhere/\n")
            await first.stop()
            await until(lambda: not health.is_ready, what="it is told")
            file.write_text(f"nats://127.0.0.1:1,{second.url}\n")
            await until(lambda: health.is_ready, what="the other has taken us", within_s=15)
            assert bus.server.endswith(f":{second.port}")


@pytest.mark.parametrize("text", ["", "me:word@host", "nats://me:word@host/x"])
async def test_a_file_without_addresses_is_told_and_its_content_is_not(
    tmp_path: Path, text: str
) -> None:
    """A file of addresses may hold a password."""
    file = tmp_path / "nats-url"
    file.write_text(text)

    with pytest.raises(NoBus, match=r"NATS_URL_FILE: .*: write nats://host") as raised:
        async with connect([], "test", urls_file=str(file)):
            pass

    assert "word" not in str(raised.value)


def _certificates(home: Path) -> tuple[Path, Path, Path]:
    """A CA, and a certificate of 127.0.0.1 that it signed, with its key."""
    openssl = require_program("openssl", "apt-get install openssl")
    ca, certificate = home / "ca.pem", home / "server.pem"
    (home / "names").write_text("subjectAltName=IP:127.0.0.1\n")
    new = "req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"
    for command in (
        f"{new} -x509 -subj /CN=ca -keyout ca.key -out ca.pem",
        f"{new} -subj /CN=server -keyout server.key -out server.csr",
        "x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -extfile names"
        " -out server.pem",
    ):
        subprocess.run([openssl, *command.split()], cwd=home, check=True, capture_output=True)
    return ca, certificate, home / "server.key"
