"""The parts that are made of one reading of `registries.toml`, and that work until the next one.

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

from imagedrift_resolver.adapters.cache_api import CacheApi
from imagedrift_resolver.adapters.dialer import system_dialer
from imagedrift_resolver.adapters.docker_config import docker_credentials
from imagedrift_resolver.adapters.http_client import HttpClient
from imagedrift_resolver.adapters.jetstream import (
    JetStreamCache,
    JetStreamLanes,
    JetStreamQuestions,
    JetStreamStates,
)
from imagedrift_resolver.adapters.names import LookUp
from imagedrift_resolver.adapters.oci_client import OciClient
from imagedrift_resolver.adapters.registry_sites import Sites
from imagedrift_resolver.adapters.routes import Routes
from imagedrift_resolver.question_handler import QuestionHandler
from imagedrift_resolver.rate_limiters import RegistryLimiters
from imagedrift_resolver.service import Resolver
from imagedrift_resolver.settings import ResolverSettings
from imagedrift_runtime.clock import Clock
from imagedrift_runtime.logs import get_logger
from imagedrift_runtime.nats import bus, consumer
from imagedrift_runtime.nats.delivery import Delivery
from imagedrift_runtime.nats.errors import BusError
from imagedrift_runtime.nats.outcomes import Outcome, Retry
from imagedrift_runtime.nats.topology import LIST_ACK_WAIT_S, LIST_SLOTS
from imagedrift_runtime.registries import operator_file
from imagedrift_runtime.waiting import given_up_at
from imagedrift_schemas import subjects

log = get_logger()

LIST_AGAIN_S: Final = 1.0


class Wired:
    """A resolver by one reading of the file."""

    def __init__(
        self,
        settings: ResolverSettings,
        nats: bus.Bus,
        cache: JetStreamCache,
        states: JetStreamStates,
        read: tuple[operator_file.Registries, Routes],
        clock: Clock,
        look_up: LookUp,
    ) -> None:
        self._nats = nats
        self._known, reached = read
        self._http = HttpClient(reached, system_dialer(look_up, clock))
        self._limiters = RegistryLimiters(
            self._known, states=states, lanes=JetStreamLanes(nats, self._known), clock=clock
        )
        resolver = Resolver(
            cache=cache,
            sites=Sites(self._known, docker_credentials(settings, clock)),
            registries=OciClient(self._http, clock),
            limiters=self._limiters,
            clock=clock,
        )
        self._handler = QuestionHandler(resolver, JetStreamQuestions(nats))
        self.cache_api = CacheApi(nats, cache, self._known, clock.now)

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

        async def handle_list(delivery: Delivery) -> Outcome:
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
                        ack_wait_s=LIST_ACK_WAIT_S,
                    )
                )
