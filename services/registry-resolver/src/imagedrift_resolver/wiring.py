"""The parts of a resolver: made of one reading of `registries.toml`, they work until the next one.

Rules:
- A new reading makes them all anew: what they have kept of the old one goes with it.
- The new ones pull at once, while the old ones finish what they hold. The slots of a lane are
  the server's count, so that both together have no more than there are.
- A list of tags may last a minute. It is given up, and made again by the new ones or by another
  resolver.
"""

import asyncio
from functools import partial
from typing import Final

from msgspec import Struct

from imagedrift_resolver.adapters.cache_api import CacheApi
from imagedrift_resolver.adapters.dialer import system_dialer
from imagedrift_resolver.adapters.docker_config import docker_credentials
from imagedrift_resolver.adapters.host_names import LookUp
from imagedrift_resolver.adapters.http_client import HttpClient
from imagedrift_resolver.adapters.jetstream import (
    JetStreamCache,
    JetStreamLanes,
    JetStreamQuestions,
    JetStreamStates,
)
from imagedrift_resolver.adapters.oci_client import OciClient
from imagedrift_resolver.adapters.registry_sites import Sites
from imagedrift_resolver.adapters.routes import ConnectionRoutes, proxies_of, routes
from imagedrift_resolver.other_hosts import OtherHosts
from imagedrift_resolver.question_handler import QuestionHandler
from imagedrift_resolver.rate_limiters import RegistryLimiters
from imagedrift_resolver.service import Resolver
from imagedrift_resolver.settings import ResolverSettings
from imagedrift_runtime.clock import Clock
from imagedrift_runtime.logs import get_logger
from imagedrift_runtime.nats import bus, consumer
from imagedrift_runtime.nats.delivery import Delivery
from imagedrift_runtime.nats.errors import BusError
from imagedrift_runtime.nats.outcomes import HandlerOutcome, Retry
from imagedrift_runtime.nats.topology import LIST_SLOTS
from imagedrift_runtime.process import Process
from imagedrift_runtime.registries import operator_file
from imagedrift_runtime.registries.operator_file import Registries
from imagedrift_runtime.registries.watched_file import RegistriesFile
from imagedrift_runtime.settings import both_or_faults
from imagedrift_runtime.waiting import given_up_at
from imagedrift_schemas import subjects
from imagedrift_schemas.reference import ImageReference

log = get_logger()

LIST_AGAIN_S: Final = 1.0


class Buckets(Struct, frozen=True):
    """The buckets of NATS that all readings of the file share."""

    cache: JetStreamCache
    states: JetStreamStates


async def open_buckets(nats: bus.Bus, clock: Clock) -> Buckets:
    """Open the shared cache and the registries' states."""
    cache = JetStreamCache(
        await nats.bucket(subjects.BUCKET_DIGESTS),
        await nats.bucket(subjects.BUCKET_TAGS),
        clock.now,
    )
    return Buckets(cache, JetStreamStates(await nats.bucket(subjects.BUCKET_REGISTRIES)))


def registries_file(
    settings: ResolverSettings,
) -> RegistriesFile[tuple[Registries, ConnectionRoutes]]:
    """Read the configuration of registries, certificates included. Raises `SettingsFault`."""
    _, proxies = both_or_faults(
        lambda: operator_file.load(settings.registries), lambda: proxies_of(settings)
    )
    return RegistriesFile(settings.registries, lambda known: (known, routes(known, proxies)))


class Renewing:
    """A resolver that is wired anew at each new reading of the file."""

    def __init__(
        self,
        settings: ResolverSettings,
        nats: bus.Bus,
        buckets: Buckets,
        file: RegistriesFile[tuple[Registries, ConnectionRoutes]],
        clock: Clock,
        look_up: LookUp,
    ) -> None:
        self._file = file
        self._wire = partial(WiredResolver, settings, nats, buckets, clock=clock, look_up=look_up)
        self._wired = self._wire(file.made)

    async def lookup(self, payload: bytes) -> bytes:
        """Answer a request for the content of the shared cache."""
        return await self._wired.cache_api.lookup(payload)

    async def ask_again(self, references: tuple[ImageReference, ...]) -> int:
        """Ask about references that a registry says have moved; how many were asked about."""
        return await self._wired.cache_api.moved(references)

    async def answer(self, service: str, process: Process, look_every_s: float) -> None:
        """Answer questions until the process is told to stop."""
        async with asyncio.TaskGroup() as answering:
            while not process.stopping.is_set():
                ending = asyncio.Event()
                answering.create_task(self._wired.answer(service, ending))
                await self._renewed(process, look_every_s)
                ending.set()
                if not process.stopping.is_set():
                    self._wired = self._wire(self._file.made)

    async def _renewed(self, process: Process, look_every_s: float) -> None:
        """Wait until the file says something new, or the process is told to stop."""
        while not process.stopping.is_set():
            events = [asyncio.ensure_future(e.wait()) for e in (process.stopping, process.reload)]
            await asyncio.wait(events, timeout=look_every_s, return_when=asyncio.FIRST_COMPLETED)
            for event in events:
                event.cancel()
            is_asked = process.reload.is_set()
            process.reload.clear()
            if self._file.renew(anyway=is_asked):
                return


class WiredResolver:
    """A resolver by one reading of the file."""

    def __init__(
        self,
        settings: ResolverSettings,
        nats: bus.Bus,
        buckets: Buckets,
        read: tuple[Registries, ConnectionRoutes],
        clock: Clock,
        look_up: LookUp,
    ) -> None:
        self._nats = nats
        self._known, reached = read
        self._http = HttpClient(reached, system_dialer(look_up, clock))
        self._limiters = RegistryLimiters(
            self._known, states=buckets.states, lanes=JetStreamLanes(nats, self._known), clock=clock
        )
        resolver = Resolver(
            cache=buckets.cache,
            sites=Sites(self._known, docker_credentials(settings, clock)),
            registries=OciClient(self._http, OtherHosts(self._limiters, clock), clock),
            limiters=self._limiters,
            clock=clock,
        )
        self._handler = QuestionHandler(resolver, JetStreamQuestions(nats))
        self.cache_api = CacheApi(nats, buckets.cache, self._known, clock.now)

    async def answer(self, service: str, ending: asyncio.Event) -> None:
        """Answer questions of every lane until `ending`, and close."""
        sharing = asyncio.create_task(self._limiters.share())
        try:
            await self._pull_all(service, ending)
        finally:
            sharing.cancel()
            try:
                await self._limiters.flush()
            except BusError as error:  # what was not shared is learnt anew
                log.warning("states.unshared", error=str(error))
            await self._http.close()

    async def _pull_all(self, service: str, ending: asyncio.Event) -> None:
        """Pull from every lane; one that fails ends the process, as no lane must be forgotten."""

        async def handle_list(delivery: Delivery) -> HandlerOutcome:
            work = self._handler.handle_list(delivery)
            return await given_up_at(ending, work, Retry("stopping", LIST_AGAIN_S))

        handle_each = partial(
            consumer.handle_each,
            self._nats,
            subjects.STREAM_LOOKUP,
            service=service,
            stopping=ending,
        )
        async with asyncio.TaskGroup() as lanes:
            for lane, slots in self._known.lanes().items():
                lanes.create_task(
                    handle_each(subjects.lane_consumer(lane), self._handler.handle, slots=slots)
                )
                lanes.create_task(
                    handle_each(
                        subjects.list_consumer(lane),
                        handle_list,
                        slots=min(LIST_SLOTS, slots),
                    )
                )
