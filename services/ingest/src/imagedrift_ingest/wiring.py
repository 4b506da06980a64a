"""Handles streams and repeats work: all that one ingest process does."""

import asyncio
from collections.abc import Awaitable, Callable

from msgspec import Struct

from imagedrift_ingest.adapters.jetstream.streams import DIGESTS, REGISTRIES, TAGS
from imagedrift_ingest.adapters.postgres import schema_check
from imagedrift_ingest.errors import DatabaseUnavailable, ServerUnavailable
from imagedrift_ingest.parts import Parts
from imagedrift_ingest.usecases.store.lists import BATCH as LISTS_AT_ONCE
from imagedrift_runtime.logs import get_logger
from imagedrift_runtime.nats import consumer
from imagedrift_runtime.nats.consumer import BatchHandler
from imagedrift_runtime.periodic import Periodic
from imagedrift_runtime.registries.watched_file import LOOK_EVERY_S
from imagedrift_runtime.settings import SettingsFault
from imagedrift_runtime.waiting import wait
from imagedrift_schemas import subjects

log = get_logger()

AWAITED_EVERY_S = 0.5


class Periods(Struct, frozen=True, kw_only=True):
    """How often each work is repeated, in seconds."""

    plan: float = 0.5
    describe: float = 0.5
    list_tags: float = 0.5
    announce: float = 1.0
    heartbeats: float = 0.25
    bookmarks: float = 5.0
    registries: float = LOOK_EVERY_S
    lanes: float = 10.0
    tidy: float = 3600.0
    analyze: float = 5.0
    add_up: float = 10.0
    count: float = 30.0
    fleet: float = 60.0
    versions: float = 5.0
    base_images: float = 5.0
    trend: float = 30.0
    bring_back: float = 60.0


class Work(Struct, frozen=True):
    """Work that is repeated, by the name under which metrics and health show it."""

    name: str
    work: Callable[[], Awaitable[object]]
    every_s: float
    sooner: asyncio.Event | None = None
    first_after_s: float = 0.0


class Wiring:
    """Connects the parts: handlers with their streams, repeated work with its periods."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._process = parts.process

    async def await_database(self) -> None:
        """Wait for the database, and apply registries.toml to it.

        Raises `SettingsFault` when it has another schema than this version's.
        """
        while not self._process.stopping.is_set():
            try:
                await self._parts.database.transaction(schema_check.check)
                await self._parts.follow_registries.apply()
            except schema_check.WrongSchema as error:
                raise SettingsFault([f"DATABASE_URL: {error}"]) from error
            except DatabaseUnavailable as error:
                log.warning("database.awaited", error=str(error))
                await wait(self._process.stopping, AWAITED_EVERY_S)
            else:
                return

    async def serve(self, every: Periods) -> None:
        """Handle all messages, and repeat all work, until asked to stop."""
        stopping = self._process.stopping
        await self._parts.lanes.look()  # before the first question
        await self._parts.bus.listen(
            subjects.ALIVE_ALL, self._parts.heartbeats.receive, queue=subjects.CONSUMER_INGEST
        )
        periodic = Periodic(
            self._process.works, stopping, self._parts.clock, postponed_by=(ServerUnavailable,)
        )
        async with asyncio.TaskGroup() as tasks:
            for stream, handler, size in self._handlers():
                tasks.create_task(self._pull(stream, handler, size))
            for each in self._works(every):
                tasks.create_task(
                    periodic.repeat(
                        each.name,
                        each.work,
                        each.every_s,
                        sooner=each.sooner,
                        first_after_s=each.first_after_s,
                    )
                )

    async def _pull(self, stream: str, handler: BatchHandler, size: int) -> None:
        await consumer.handle_batches(
            self._parts.bus,
            stream,
            subjects.CONSUMER_INGEST,
            handler,
            service="ingest",
            size=size,
            stopping=self._process.stopping,
        )

    def _handlers(self) -> list[tuple[str, BatchHandler, int]]:
        """List the handlers, each with the stream that it pulls from, and how much at once."""
        inventories, size = self._parts.store_inventories(), self._parts.settings.batch
        return [
            *[(subjects.STREAM_INVENTORY, inventories.handle, size)] * self._parts.settings.workers,
            (DIGESTS, self._parts.store_answers().handle, size),
            (REGISTRIES, self._parts.store_registry_states().handle, size),
            (subjects.STREAM_DEAD, self._parts.store_dead_letters().handle, size),
            (TAGS, self._parts.store_lists().handle, LISTS_AT_ONCE),
        ]

    def _works(self, every: Periods) -> list[Work]:
        """List the work that is repeated."""
        parts, maintain = self._parts, self._parts.maintain()
        return [
            Work("plan", parts.plan().run, every.plan, parts.plan_now),
            Work("describe", parts.describe().run, every.describe, parts.describe_now),
            Work("list_tags", parts.list_tags().run, every.list_tags),
            Work("announce", parts.announce().run, every.announce, parts.announce_now),
            Work("note_heartbeats", parts.heartbeats.store, every.heartbeats),
            Work("look_at_inventories", parts.inventory_bookmarks.look, every.bookmarks),
            Work("look_at_answers", parts.digest_bookmarks.look, every.bookmarks),
            Work("look_at_lists", parts.tag_bookmarks.look, every.bookmarks),
            Work("registries", parts.follow_registries.run, every.registries, self._process.reload),
            Work("look_at_lanes", parts.lanes.look, every.lanes),
            Work("tidy", maintain.tidy, every.tidy, first_after_s=every.tidy / 360),
            Work(
                "analyze_grown",
                maintain.analyze_grown,
                every.analyze,
                first_after_s=every.analyze,
            ),
            Work("add_up_usage", maintain.add_up_usage, every.add_up),
            Work("count_hosts", maintain.count_hosts, every.count, first_after_s=every.count),
            Work(
                "count_fleet",
                parts.count_fleet(every.fleet).run,
                every.fleet,
                first_after_s=every.trend / 2,
            ),
            Work(
                "versions",
                parts.follow_versions().run,
                every.versions,
                first_after_s=every.versions,
            ),
            Work(
                "base_images",
                parts.follow_base_images().run,
                every.base_images,
                first_after_s=every.base_images,
            ),
            Work(
                "bring_back",
                parts.bring_back().run,
                every.bring_back,
                first_after_s=every.bring_back / 6,
            ),
            Work("take_trend", maintain.take_trend, every.trend, first_after_s=every.trend),
        ]
