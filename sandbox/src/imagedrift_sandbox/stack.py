"""The whole system on one machine: NATS, PostgreSQL, and our services as processes of their own.

    async with Stack.running(home, registries_toml=named_registry("127.0.0.1:5000")) as stack:
        await stack.start_ingest()
        await stack.start_resolver()
        ... stack.dsn ...

`home` keeps everything: the servers' data, the settings given, one log per process. Only where
PostgreSQL runs as another user who cannot reach it is the database elsewhere, and removed at the
end. Leaving the block stops the services first, by SIGTERM, then the servers.
"""

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Self

from imagedrift_ingest.adapters.postgres import migrations
from imagedrift_runtime.nats import bus, provision
from imagedrift_runtime.registries import operator_file
from imagedrift_sandbox.child_process import ProgramDied
from imagedrift_sandbox.free_port import LOOPBACK, free_port
from imagedrift_sandbox.nats import NatsServer
from imagedrift_sandbox.postgres import PostgresServer
from imagedrift_sandbox.postgres_programs import can_reach, unprivileged_account
from imagedrift_sandbox.processes import ServiceProcess


class Stack:
    """Running servers and the services started on them."""

    def __init__(
        self, home: Path, nats: NatsServer, postgres: PostgresServer, freshness_s: int
    ) -> None:
        self.home = home
        self.nats = nats
        self.postgres = postgres
        self.freshness_s = freshness_s
        self.services: list[ServiceProcess] = []

    @classmethod
    @asynccontextmanager
    async def running(
        cls,
        home: Path,
        *,
        registries_toml: str = "",
        freshness_s: int = 300,
        durable: bool = False,
        postgres_settings: Mapping[str, str] | None = None,
        postgres_port: int = 0,
        nats_port: int = 0,
    ) -> AsyncIterator[Self]:
        """Run the servers, prepared with schema and streams. `registries_toml` is its text.

        A port that is 0 is a free one.
        """
        home.mkdir(parents=True, exist_ok=True)
        (home / "registries.toml").write_text(registries_toml)
        async with (
            NatsServer.start(home / "nats", port=nats_port) as nats,
            PostgresServer.start(
                _postgres_home(home),
                settings=postgres_settings,
                durable=durable,
                port=postgres_port,
            ) as postgres,
        ):
            stack = cls(home, nats, postgres, freshness_s)
            await stack._prepare()
            try:
                yield stack
            finally:
                await stack.stop_services()

    @property
    def dsn(self) -> str:
        """The database of the facts."""
        return self.postgres.dsn()

    @property
    def registries_file(self) -> Path:
        """The registries.toml that every service reads."""
        return self.home / "registries.toml"

    async def start_ingest(self, **environment: str) -> ServiceProcess:
        """Start one ingest process; more of them share the work."""
        return await self._start(
            "imagedrift-ingest",
            DATABASE_URL=self.dsn,
            IMAGEDRIFT_FRESHNESS=str(self.freshness_s),
            **environment,
        )

    async def start_resolver(self, **environment: str) -> ServiceProcess:
        """Start one resolver process; more of them share the work."""
        return await self._start("imagedrift-resolver", **environment)

    async def start_agent(
        self,
        *,
        host: str,
        docker_host: str = "",
        source: str = "",
        interval_s: int = 300,
        **environment: str,
    ) -> ServiceProcess:
        """Start an agent for one engine, or for a `source` that stands in for an engine."""
        return await self._start(
            "imagedrift-agent",
            *(["--source", source] if source else []),
            IMAGEDRIFT_SITE="local",
            IMAGEDRIFT_HOST_ID=host,
            IMAGEDRIFT_STATE_DIR=str(self.home / f"agent-{host}"),
            IMAGEDRIFT_INTERVAL=str(interval_s),
            **({"DOCKER_HOST": docker_host} if docker_host else {}),
            **environment,
        )

    async def start_dashboard(self, port: int = 0) -> str:
        """Start the pages, which read as operators do, and return their address.

        A port that is 0 is a free one.
        """
        chosen = port or free_port()
        await self._start(
            "imagedrift-dashboard",
            DATABASE_URL=self.dsn,
            IMAGEDRIFT_DASHBOARD_PORT=str(chosen),
            IMAGEDRIFT_DASHBOARD_ROLE="imagedrift_operator",
        )
        return f"http://{LOOPBACK}:{chosen}/"

    def check(self) -> None:
        """Make sure that everything that was started still runs. Raises `ProgramDied`."""
        servers = (self.nats.child, self.postgres.child)
        for child in (*servers, *(service.child for service in self.services)):
            if child and (code := child.exit_code) is not None:
                raise ProgramDied(f"{child.name} has ended with {code}: its log is {child.log}")

    async def stop_services(self) -> list[int]:
        """Stop every service, the newest first; their exit codes."""
        stopping, self.services = self.services[::-1], []
        return [await service.stop() for service in stopping]

    async def _start(self, script: str, *arguments: str, **environment: str) -> ServiceProcess:
        count = sum(service.name == script for service in self.services) + 1
        service = ServiceProcess.spawn(
            script,
            {
                "PATH": "/usr/local/bin:/usr/bin:/bin",
                "HOME": str(self.home),
                "NATS_URL": self.nats.url,
                "IMAGEDRIFT_REGISTRIES": str(self.registries_file),
                "IMAGEDRIFT_LOG": "json",
                **environment,
            },
            log=self.home / f"{script}-{count}.log",
            arguments=arguments,
        )
        self.services.append(service)
        await service.ready()
        return service

    async def _prepare(self) -> None:
        lanes = operator_file.load(str(self.registries_file)).lanes()
        await migrations.migrate(self.dsn)
        async with bus.connect([self.nats.url], "imagedrift-sandbox") as connection:
            await provision.ensure(connection, lanes=lanes)


def named_registry(*hosts: str, extra: Iterable[str] = ()) -> str:
    """Write a registries.toml that lets plain-HTTP registries of this machine be asked."""
    lines = [f'[registry."{host}"]\nscheme = "http"' for host in hosts]
    return "\n".join([*lines, *extra]) + "\n"


def _postgres_home(home: Path) -> Path | None:
    return home / "postgres" if can_reach(home, unprivileged_account()) else None
