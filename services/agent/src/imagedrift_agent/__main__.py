"""Start the agent: `imagedrift-agent`."""

import random
import secrets
import socket
import sys
from importlib.metadata import version
from pathlib import Path

from imagedrift_agent.adapters import jetstream
from imagedrift_agent.adapters.engine import Engine
from imagedrift_agent.adapters.http import EngineFault
from imagedrift_agent.adapters.state import StateFolder, Unusable
from imagedrift_agent.core.address import Address, BadAddress, read_address
from imagedrift_agent.core.statement import About
from imagedrift_agent.service import Agent, Parts, World
from imagedrift_agent.settings import AgentSettings
from imagedrift_runtime import clock, process
from imagedrift_runtime.settings import SettingsFault

SERVICE = "imagedrift-agent"
ABOUT = "Tells what images this host has, when they change."


def main() -> int:
    """Run the agent; the exit code."""
    return process.run(SERVICE, AgentSettings, start, about=ABOUT, parts=("engine", "nats"))


async def start(settings: AgentSettings, running: process.Process) -> None:
    """Wire an agent together and let it run."""
    memory = StateFolder(settings.state_dir)
    try:
        read(settings)
        host = settings.host_id or memory.host_id(socket.gethostname())
    except (BadAddress, Unusable) as error:
        raise SettingsFault([str(error)]) from error
    agent = Agent(
        about(settings, host),
        engine(settings),
        lambda: jetstream.connected(
            settings.nats_url,
            host,
            credentials=settings.nats_creds,
            ca=settings.nats_ca,
            health=running.health,
        ),
        memory,
        World(
            now=clock.now,
            chance=random.random,
            parts=Parts(ready=running.health.ready, failed=running.health.failed),
        ),
        settings.return_within,
    )
    await agent.run(running.stopping)


def engine(settings: AgentSettings) -> Engine:
    """The engine that the settings name."""

    def find() -> Address:
        try:
            return read(settings)
        except BadAddress as error:
            raise EngineFault(str(error)) from error

    return Engine(find)


def read(settings: AgentSettings) -> Address:
    """Where the engine listens. Raises `BadAddress`."""
    return read_address(
        settings.docker_host,
        tls=bool(settings.docker_tls_verify),
        certificates=settings.docker_cert_path or str(Path.home() / ".docker"),
        runtime_dir=settings.runtime_dir,
        exists=lambda path: Path(path).exists(),
    )


def about(settings: AgentSettings, host: str) -> About:
    """What the settings say about the host."""
    return About(
        site=settings.site,
        host=host,
        hostname=socket.gethostname(),
        labels=settings.labels,
        place=settings.place,
        interval_s=settings.interval,
        agent_version=version(SERVICE),
        boot=secrets.token_hex(8),
    )


if __name__ == "__main__":
    sys.exit(main())
