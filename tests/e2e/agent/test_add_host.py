"""The second host joins by the commands of docs/deployment.md, "Add a host"."""

import asyncio
import functools
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from imagedrift_ingest.adapters.postgres.migrations import migrate
from imagedrift_runtime.nats import bus, provision
from imagedrift_sandbox.child_process import ChildProcess
from imagedrift_sandbox.engine import ScriptedEngine, populate
from imagedrift_sandbox.nats import nats_program
from support.deploy import DEPLOY, ROOT, ShippedNats, nats_environment
from support.empty_machine import EmptyMachine
from support.ingest import ingest
from support.polling import until
from support.programs import require_program

PASSWORD = "0123456789abcdef"


PAGE = (ROOT / "docs" / "deployment.md").read_text()
SECTION = PAGE.split("## Add a host\n")[1].split("\n## ")[0]


def blocks(kind: str) -> list[str]:
    """The fenced blocks of one kind in the section."""
    found = re.findall(r"^```(\w*)\n(.*?)^```$", SECTION, re.MULTILINE | re.DOTALL)
    return [text for word, text in found if word == kind]


CERTIFICATES, BUNDLE, INSTALL = blocks("sh")
USER = next(block for block in blocks("") if "permissions" in block)
DOCTOR, HOSTS = next(block for block in blocks("") if "doctor" in block).splitlines()
UNINSTALL, FORGET = re.findall(r"`(sh install.sh --uninstall|\S.*migrate forget web-2)`", SECTION)
PROGRAM = Path(sys.executable).parent / "imagedrift"


def shell(script: str, folder: Path, **environment: str) -> str:
    """Run a block of the page, and return what it prints."""
    done = subprocess.run(
        ["sh", "-euc", script],
        cwd=folder,
        env={"PATH": os.getenv("PATH", os.defpath), "HOME": str(folder)} | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{script}\n{done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture
def server_folder(tmp_path: Path) -> Path:
    """The server's repository after step 1; this machine reaches NATS as localhost."""
    require_program("openssl", "apt-get install openssl")
    folder = tmp_path / "server"
    (folder / "deploy").mkdir(parents=True)
    named = "DNS:nats.example.org"
    assert named in CERTIFICATES
    shell(CERTIFICATES.replace(named, f"{named},DNS:localhost"), folder)
    return folder


class Server(ShippedNats):
    """NATS that listens on every address of the server, as step 3 tells it to."""

    def launch(self) -> ChildProcess:
        """Start the program, with health on this machine alone."""
        flags = ["--port", str(self.port), "--http_port", str(self.monitor_port)]
        return ChildProcess.spawn(
            [nats_program(), "--config", self.home / "tls.conf", "--addr", "0.0.0.0", *flags],
            log=self.home / "nats-server.log",
            environment=nats_environment(),
        )


@pytest.fixture
def server(server_folder: Path) -> Iterator[ShippedNats]:
    """NATS after step 3: with the host's user, and TLS."""
    listed = (DEPLOY / "nats" / "agents.conf").read_text()
    user = USER.replace("PASSWORD", PASSWORD)
    agents = listed.replace("users: [\n", f"users: [\n{user}", 1)
    tls = server_folder / "deploy" / "tls"
    with Server("tls.conf", nats_environment(), agents=agents, tls=tls).started() as running:
        yield running


@pytest.fixture
async def machine(tmp_path: Path) -> AsyncIterator[EmptyMachine]:
    """The second host, which has an engine with a few images, and nothing else."""
    socket = tmp_path / "engine.sock"
    async with ScriptedEngine.serving(socket) as engine:
        populate(engine, 3, 1)
        with EmptyMachine.started(tmp_path / "web-2", socket, ["nats.example.org"]) as made:
            yield made


async def test_a_second_host_joins_by_the_commands_of_the_page(
    server_folder: Path,
    server: ShippedNats,
    machine: EmptyMachine,
    database_dsn: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """From an empty machine to a line of `imagedrift hosts`, over TLS, as the host's own user."""
    began = time.monotonic()
    checksum = await asyncio.to_thread(bundle_in, server_folder)
    copies = ("agent-bundle", "deploy/tls/ca.crt")
    for each in [*(server_folder / name for name in copies), DEPLOY / "install.sh"]:
        copy = shutil.copytree if each.is_dir() else shutil.copy
        copy(each, machine.home / each.name)
    service, ca = await prepared(server, server_folder, database_dsn)

    def there(script: str) -> str:
        told = {":4222": f":{server.port}", "PASSWORD": PASSWORD, "CHECKSUM": checksum}
        return machine.run(functools.reduce(lambda s, each: s.replace(*each), told.items(), script))

    installed = await asyncio.to_thread(there, INSTALL)
    examined = await asyncio.to_thread(there, DOCTOR)
    agent = machine.start(command_of(installed))
    try:
        async with ingest(database_dsn, service, nats_ca=ca):
            listed = await until(
                lambda: asyncio.to_thread(hosts, database_dsn),
                what="the host is listed",
            )
    finally:
        agent.stop()

    with capsys.disabled():
        took = time.monotonic() - began
        sys.stdout.write(f"\nfrom an empty machine to a line of `imagedrift hosts`: {took:.0f} s\n")
    assert "may publish drift.v1.inventory.fra1.web-2" in examined
    assert "web-2" in listed
    there(UNINSTALL)
    assert there("ls /opt") == ""
    forget = FORGET.partition("migrate ")[2]
    forgotten = shell(f"{PROGRAM} {forget} --yes", ROOT, DATABASE_URL=database_dsn)
    assert forgotten == "forgotten: fra1/web-2\n"


def bundle_in(server_folder: Path) -> str:
    """Make the bundle of step 4 and return its checksum."""
    made = BUNDLE.replace("deploy/bundle.sh", str(DEPLOY / "bundle.sh"))
    return shell(made.replace("python3 ", f"{sys.executable} "), server_folder).split()[-1]


async def prepared(server: ShippedNats, folder: Path, dsn: str) -> tuple[str, str]:
    """Prepare NATS and the database as Compose does; where services connect, and their CA."""
    ca = str(folder / "deploy/tls/ca.crt")
    service = f"tls://service:20261123@localhost:{server.port}"
    async with bus.connect([service], "test", ca=ca) as connection:
        await provision.ensure(connection)
    await migrate(dsn)
    return service, ca


def command_of(installed: str) -> str:
    """The command that starts the agent, as the installer prints it where there is no systemd."""
    [line] = [each for each in installed.splitlines() if "exec " in each]
    return line


def hosts(dsn: str) -> str:
    """Return what `imagedrift hosts` lists, without its header."""
    *_, command = HOSTS.split()
    told = shell(f"{PROGRAM} {command} -o csv", ROOT, DATABASE_URL=dsn)
    return "\n".join(told.splitlines()[1:])
