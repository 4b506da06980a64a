"""The files of `deploy/`, as tests read and run them."""

import json
import re
from pathlib import Path
from typing import Any

import yaml

from imagedrift_sandbox.child_process import ChildProcess
from imagedrift_sandbox.free_port import LOOPBACK, free_ports
from imagedrift_sandbox.nats import NatsServer, nats_program

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"


def read_yaml(path: Path) -> Any:
    """Read a YAML file."""
    return yaml.safe_load(path.read_text())


class ShippedNats(NatsServer):
    """A server on a configuration of `deploy/nats`; only its addresses and its store are ours."""

    def __init__(
        self,
        file: str,
        environment: dict[str, str],
        *,
        flags: tuple[str, ...] = (),
        followers: str = "",
        agents: str = "",
        tls: Path | None = None,
    ) -> None:
        super().__init__(alone=not flags)
        self._followers = followers
        self._agents = agents
        self._tls = tls
        self._file = file
        self._environment = environment
        self._flags = flags

    def choose_ports(self) -> None:
        """Take two ports, and copy the configuration with another place for the store."""
        self.port, self.monitor_port = free_ports(2)
        for file in (DEPLOY / "nats").glob("*.conf"):
            text = file.read_text().replace('"/data"', json.dumps(str(self.home / "store")))
            if self._tls:
                text = text.replace('"/tls/', f'"{self._tls}/')
            (self.home / file.name).write_text(text)
        if self._followers:
            (self.home / "followers.conf").write_text(self._followers)
        if self._agents:
            (self.home / "agents.conf").write_text(self._agents)

    def launch(self) -> ChildProcess:
        """Start the program, on addresses of this machine's."""
        ours = {
            "--addr": LOOPBACK,
            "--port": str(self.port),
            "--http_port": str(self.monitor_port),
        }
        flags = [part for pair in ours.items() for part in pair]
        return ChildProcess.spawn(
            [nats_program(), "--config", self.home / self._file, *flags, *self._flags],
            log=self.home / "nats-server.log",
            environment=self._environment,
        )

    def url_of(self, user: str, password: str) -> str:
        """Where a user connects."""
        return f"nats://{user}:{password}@{LOOPBACK}:{self.port}"


def nats_environment(host: str = "web-1", site: str = "fra1") -> dict[str, str]:
    """The variables of the configuration, as Compose gives them. Passwords are all digits."""
    values = {
        "NATS_SERVICE_PASSWORD": "20261123",
        "NATS_AGENT_PASSWORD": "20261124",
        "AGENT_INVENTORY_SUBJECT": f"drift.v1.inventory.{site}.{host}",
        "AGENT_ALIVE_SUBJECT": f"drift.v1.alive.{site}.{host}",
        "AGENT_INBOX": f"_INBOX_{site}.{host}.>",
    }
    return {name: json.dumps(value) for name, value in values.items()}


def followers(password: str) -> str:
    """Return followers.conf with its example made true."""
    text = (DEPLOY / "nats" / "followers.conf").read_text()
    return re.sub(r"^  # ", "  ", text, flags=re.MULTILINE).replace("change me", password)
