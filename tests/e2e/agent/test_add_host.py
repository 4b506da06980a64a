"""The second host joins by the commands of docs/deployment.md, "Add a host"."""

import asyncio
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from imagedrift_ingest.adapters.postgres.migrations import migrate
from imagedrift_runtime.nats import bus, provision
from imagedrift_sandbox.child_process import ChildProcess
from support.deploy import DEPLOY, ROOT, ShippedNats, nats_environment
from support.ingest import ingest
from support.polling import until
from support.programs import require_program

PASSWORD = "0123456789abcdef"


def blocks(kind: str) -> list[str]:
    """The fenced blocks of one kind in the section."""
    page = (ROOT / "docs" / "deployment.md").read_text()
    section = page.split("## Add a host\n")[1].split("\n## ")[0]
    found = re.findall(r"^```(\w*)\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    return [text for word, text in found if word == kind]


CERTIFICATES, BUNDLE, INSTALL = blocks("sh")
USER = next(block for block in blocks("") if "permissions" in block)
DOCTOR, HOSTS = next(block for block in blocks("") if "doctor" in block).splitlines()


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
    """The server's repository after step 1."""
    require_program("openssl", "apt-get install openssl")
    folder = tmp_path / "server"
    (folder / "deploy").mkdir(parents=True)
    shell(CERTIFICATES.replace("nats.example.org", "localhost"), folder)
    return folder


@pytest.fixture
def server(server_folder: Path) -> Iterator[ShippedNats]:
    """NATS after step 3: with the host's user, and TLS."""
    listed = (DEPLOY / "nats" / "agents.conf").read_text()
    user = USER.replace("PASSWORD", PASSWORD)
    agents = listed.replace("users: [\n", f"users: [\n{user}", 1)
    tls = server_folder / "deploy" / "tls"
    with ShippedNats("tls.conf", nats_environment(), agents=agents, tls=tls).started() as running:
        yield running


class SecondHost:
    """Folders that stand in for the second host's own."""

    def __init__(self, home: Path, server: ShippedNats) -> None:
        self.home = home
        self._places = {
            "/etc/imagedrift": str(home / "etc"),
            "/opt/imagedrift": str(home / "opt"),
            "nats.example.org:4222": f"localhost:{server.port}",
            "PASSWORD": PASSWORD,
        }
        images = home / "images"
        images.write_text(f"nginx:1.27@sha256:{'a' * 64}\n")
        self.environment = {
            "IMAGEDRIFT_PREFIX": str(home / "opt"),
            "IMAGEDRIFT_ETC": str(home / "etc"),
            "IMAGEDRIFT_SYSTEMD": str(home / "no-systemd"),
            "IMAGEDRIFT_STATE_DIR": str(home / "state"),
            "IMAGEDRIFT_SOURCE": f"list:{images}",
        }

    def run(self, script: str) -> str:
        """Run a block of the page here."""
        return shell(self._here(script), self.home, **self.environment)

    def start(self) -> ChildProcess:
        """Start the agent as the installer says, where there is no systemd."""
        script = "set -a; . /etc/imagedrift/agent.env; exec /opt/imagedrift/current/venv/bin/"
        return ChildProcess.spawn(
            ["sh", "-euc", self._here(f"{script}imagedrift-agent")],
            log=self.home / "agent.log",
            environment={"PATH": os.defpath} | self.environment,
        )

    def _here(self, script: str) -> str:
        for theirs, ours in self._places.items():
            script = script.replace(theirs, ours)
        return script


async def test_a_second_host_joins_by_the_commands_of_the_page(
    tmp_path: Path,
    server_folder: Path,
    server: ShippedNats,
    database_dsn: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """From an empty folder to a line of `imagedrift hosts`, over TLS and as the host's own user."""
    began = time.monotonic()
    home = tmp_path / "web-2"
    home.mkdir()
    host = SecondHost(home, server)
    made = BUNDLE.replace("deploy/bundle.sh", str(DEPLOY / "bundle.sh"))
    checksum = shell(made.replace("python3 ", f"{sys.executable} "), server_folder).split()[-1]
    copies = (
        server_folder / "agent-bundle",
        DEPLOY / "install.sh",
        server_folder / "deploy/tls/ca.crt",
    )
    for each in copies:
        (home / each.name).symlink_to(each)
    ca = str(server_folder / "deploy/tls/ca.crt")
    service = f"tls://service:20261123@localhost:{server.port}"
    async with bus.connect([service], "test", ca=ca) as connection:
        await provision.ensure(connection)
    await migrate(database_dsn)

    host.run(INSTALL.replace("CHECKSUM", checksum))
    examined = host.run(DOCTOR)
    agent = host.start()
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
        sys.stdout.write(f"\nfrom an empty folder to a line of `imagedrift hosts`: {took:.0f} s\n")
    assert "may publish drift.v1.inventory.fra1.web-2" in examined
    assert "web-2" in listed


def hosts(dsn: str) -> str:
    """Return what `imagedrift hosts` lists, without its header."""
    *_, command = HOSTS.split()
    program = Path(sys.executable).parent / "imagedrift"
    told = shell(f"{program} {command} -o csv", ROOT, DATABASE_URL=dsn)
    return "\n".join(told.splitlines()[1:])
