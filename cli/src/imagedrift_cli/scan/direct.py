"""A resolver without NATS: what it would share with others is kept in this process."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from typing import TypeVar

from imagedrift_resolver.adapters.dialer import system_dialer
from imagedrift_resolver.adapters.docker_config import DockerCredentials
from imagedrift_resolver.adapters.host_names import look_up
from imagedrift_resolver.adapters.http_client import HttpClient
from imagedrift_resolver.adapters.oci_client import OciClient
from imagedrift_resolver.adapters.registry_sites import Sites
from imagedrift_resolver.adapters.routes import routes
from imagedrift_resolver.core.finding import AnyQuestion, CachedAnswer
from imagedrift_resolver.core.proxy import Proxies
from imagedrift_resolver.other_hosts import OtherHosts
from imagedrift_resolver.rate_limiters import RegistryLimiters
from imagedrift_resolver.service import Resolver
from imagedrift_runtime.clock import SystemClock
from imagedrift_runtime.registries.operator_file import Registries
from imagedrift_schemas.v1 import RegistryState

A = TypeVar("A", bound=CachedAnswer)


@asynccontextmanager
async def resolver(
    known: Registries, credentials: DockerCredentials, proxies: Proxies
) -> AsyncIterator[Resolver]:
    """Make a resolver that asks registries directly, for the length of an `async with`."""
    clock = SystemClock()
    http = HttpClient(routes(known, proxies), system_dialer(look_up, clock))
    limiters = RegistryLimiters(known, states=_OwnStates(), lanes=_NoLanes(), clock=clock)
    try:
        yield Resolver(
            cache=_NoCache(),
            sites=Sites(known, credentials),
            registries=OciClient(http, OtherHosts(limiters, clock), clock),
            limiters=limiters,
            clock=clock,
        )
    finally:
        await http.close()


class _NoCache:
    """Everything is asked once in a scan, so there is nothing to remember."""

    async def read(self, question: AnyQuestion) -> tuple[CachedAnswer | None, int]:  # noqa: ARG002 - a port
        return None, 0

    async def keep(self, answer: A, revision: int) -> A:  # noqa: ARG002 - a port
        return answer


class _OwnStates:
    """The state of registries, for as long as the scan lasts."""

    def __init__(self) -> None:
        self._states: dict[tuple[str, str], RegistryState] = {}

    async def read(self, registry: str, credential: str) -> RegistryState | None:
        return self._states.get((registry, credential))

    async def change(
        self, own: RegistryState, change: Callable[[RegistryState], RegistryState]
    ) -> RegistryState:
        key = (own.registry, own.credential)
        self._states[key] = change(self._states.get(key, own))
        return self._states[key]


class _NoLanes:
    """Nothing waits elsewhere that could be paused."""

    async def pause(self, registry: str, until: datetime) -> None:
        """Leave it to the limiter, which waits as well."""
