"""Makes the parts of one ingest process, its handlers of streams, and its repeated work."""

import asyncio
from collections.abc import Awaitable, Callable

from msgspec import Struct

from imagedrift_ingest.adapters.fleet_metrics import FleetMetrics
from imagedrift_ingest.adapters.jetstream.lanes import LaneMonitor
from imagedrift_ingest.adapters.jetstream.publishers import (
    ChangePublisher,
    DeadLetterPublisher,
    QuestionPublisher,
)
from imagedrift_ingest.adapters.jetstream.streams import DIGESTS, REGISTRIES, TAGS, SourceStream
from imagedrift_ingest.adapters.postgres import migrations
from imagedrift_ingest.adapters.postgres.answers import AnswerTable
from imagedrift_ingest.adapters.postgres.base_images import BaseImageTable
from imagedrift_ingest.adapters.postgres.blocks import MOST_AT_ONCE as MOVED_AT_ONCE
from imagedrift_ingest.adapters.postgres.blocks import BlockedReferences
from imagedrift_ingest.adapters.postgres.bookmarks import Bookmarks
from imagedrift_ingest.adapters.postgres.candidates import CandidateRules
from imagedrift_ingest.adapters.postgres.comparisons import ComparisonIds
from imagedrift_ingest.adapters.postgres.connection import Database
from imagedrift_ingest.adapters.postgres.dead_letters import DeadLetterTable
from imagedrift_ingest.adapters.postgres.fleet_counts import FleetCountTables
from imagedrift_ingest.adapters.postgres.heartbeats import StoredHeartbeats
from imagedrift_ingest.adapters.postgres.host_ids import HostIds
from imagedrift_ingest.adapters.postgres.hosts import HostTables
from imagedrift_ingest.adapters.postgres.maintenance import MaintainedTables
from imagedrift_ingest.adapters.postgres.outbox import OutboxTable
from imagedrift_ingest.adapters.postgres.questions import (
    OF_ONE_HOST,
    ListQuestions,
    QuestionTable,
)
from imagedrift_ingest.adapters.postgres.registries import RegistryTable
from imagedrift_ingest.adapters.postgres.tag_lists import TagListTable
from imagedrift_ingest.adapters.postgres.turns import LEASE_S, TurnTable
from imagedrift_ingest.adapters.postgres.verdicts import StoredVerdicts
from imagedrift_ingest.core.freshness import list_ttl, question_ttl
from imagedrift_ingest.errors import DatabaseUnavailable, ServerUnavailable
from imagedrift_ingest.settings import IngestSettings
from imagedrift_ingest.usecases.announce import Announce
from imagedrift_ingest.usecases.base_images import FollowBaseImages
from imagedrift_ingest.usecases.count_fleet import CountFleet
from imagedrift_ingest.usecases.heartbeats import MOST_HELD, Heartbeats
from imagedrift_ingest.usecases.maintain import Maintain
from imagedrift_ingest.usecases.plan import NOTED_AT_ONCE, Plan
from imagedrift_ingest.usecases.policy import FollowRegistries
from imagedrift_ingest.usecases.store.answers import (
    StoreAnswers,
    StoreDeadLetters,
    StoreRegistryStates,
)
from imagedrift_ingest.usecases.store.inventories import StoreInventories
from imagedrift_ingest.usecases.store.lists import BATCH as LISTS_AT_ONCE
from imagedrift_ingest.usecases.store.lists import StoreLists
from imagedrift_ingest.usecases.versions import FollowVersions
from imagedrift_runtime.clock import Clock
from imagedrift_runtime.logs import get_logger
from imagedrift_runtime.nats import consumer
from imagedrift_runtime.nats.bus import Bus
from imagedrift_runtime.nats.consumer import BatchHandler
from imagedrift_runtime.periodic import Periodic
from imagedrift_runtime.process import Process
from imagedrift_runtime.registries.watched_file import LOOK_EVERY_S, LiveRegistries
from imagedrift_runtime.settings import SettingsFault
from imagedrift_runtime.waiting import wait
from imagedrift_schemas import subjects

log = get_logger()

AWAITED_EVERY_S = 0.5


class Periods(Struct, frozen=True, kw_only=True):
    """How often each work is repeated, in seconds."""

    plan: float = 0.5
    announce: float = 1.0
    heartbeats: float = 0.25
    bookmarks: float = 5.0
    registries: float = LOOK_EVERY_S
    lanes: float = 10.0
    tidy: float = 3600.0
    analyze: float = 3.0
    add_up: float = 10.0
    count: float = 30.0
    fleet: float = 60.0
    versions: float = 5.0
    base_images: float = 5.0
    trend: float = 30.0


class Work(Struct, frozen=True):
    """Work that is repeated, by the name under which metrics and health show it."""

    name: str
    work: Callable[[], Awaitable[object]]
    every_s: float
    sooner: asyncio.Event | None = None
    first_after_s: float = 0.0


class Wiring:
    """The parts of one process."""

    def __init__(
        self,
        settings: IngestSettings,
        process: Process,
        database: Database,
        bus: Bus,
        registries: LiveRegistries,
        clock: Clock,
    ) -> None:
        self._bus = bus
        self._process = process
        self._clock = clock
        self._settings = settings
        self._database = database
        self._registries = registries
        self._plan_now, self._announce_now = asyncio.Event(), asyncio.Event()
        self._turns = TurnTable(database, process.health, clock, LEASE_S)
        self._lanes = LaneMonitor(bus, registries.lanes)
        self._follow = FollowRegistries(
            registries,
            StoredVerdicts(database),
            self._lanes.look,
            process.reload,
            self._plan_now,
        )
        self._comparisons = ComparisonIds(
            database, registries.is_named, settings.freshness, settings.new_images_per_host
        )
        self._keys = HostIds(database, self._comparisons)
        self._inventories = SourceStream(bus, subjects.STREAM_INVENTORY, clock)
        self._digests = SourceStream(bus, DIGESTS, clock)
        self._inventory_bookmarks = Bookmarks(
            database, subjects.STREAM_INVENTORY, self._inventories
        )
        self._digest_bookmarks = Bookmarks(database, DIGESTS, self._digests)
        self._tags = SourceStream(bus, TAGS, clock)
        self._tag_bookmarks = Bookmarks(database, TAGS, self._tags)
        self._candidates = CandidateRules(registries.is_named)
        self._tag_lists = TagListTable(
            database,
            self._tag_bookmarks,
            settings.freshness_rules,
            self._candidates,
        )
        self._heartbeats = Heartbeats(
            StoredHeartbeats(database, self._keys), DeadLetterPublisher(bus), clock, MOST_HELD
        )

    async def await_database(self) -> None:
        """Wait for the database, and apply registries.toml to it.

        Raises `SettingsFault` when it has another schema than this version's.
        """
        while not self._process.stopping.is_set():
            try:
                await self._database.transaction(migrations.check)
                await self._follow.apply()
            except migrations.WrongSchema as error:
                raise SettingsFault([f"DATABASE_URL: {error}"]) from error
            except DatabaseUnavailable as error:
                log.warning("database.awaited", error=str(error))
                await wait(self._process.stopping, AWAITED_EVERY_S)
            else:
                return

    async def serve(self, every: Periods) -> None:
        """Handle what comes in, and repeat all work, until asked to stop."""
        stopping = self._process.stopping
        await self._lanes.look()  # before the first question
        await self._bus.listen(
            subjects.ALIVE_ALL, self._heartbeats.receive, queue=subjects.CONSUMER_INGEST
        )
        periodic = Periodic(
            self._process.works, stopping, self._clock, postponed_by=(ServerUnavailable,)
        )
        async with asyncio.TaskGroup() as tasks:
            for stream, handler in self._handlers():
                tasks.create_task(self._pull(stream, handler, self._settings.batch))
            lists = StoreLists(self._tag_lists, self._tags, self._tag_bookmarks)
            tasks.create_task(self._pull(TAGS, lists.handle, LISTS_AT_ONCE))
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
            self._bus,
            stream,
            subjects.CONSUMER_INGEST,
            handler,
            service="ingest",
            size=size,
            stopping=self._process.stopping,
        )

    def _handlers(self) -> list[tuple[str, BatchHandler]]:
        """List the handlers, each with the stream that it pulls from."""
        inventories = self._store_inventories()
        states = StoreRegistryStates(
            RegistryTable(self._database), SourceStream(self._bus, REGISTRIES, self._clock)
        )
        letters = StoreDeadLetters(
            DeadLetterTable(self._database),
            SourceStream(self._bus, subjects.STREAM_DEAD, self._clock),
        )
        return [
            *[(subjects.STREAM_INVENTORY, inventories.handle)] * self._settings.workers,
            (DIGESTS, self._store_answers().handle),
            (REGISTRIES, states.handle),
            (subjects.STREAM_DEAD, letters.handle),
        ]

    def _works(self, every: Periods) -> list[Work]:
        """List the work that is repeated."""
        maintain = self._maintain()
        return [
            Work("plan", self._plan().run, every.plan, self._plan_now),
            Work("announce", self._announce().run, every.announce, self._announce_now),
            Work("note_heartbeats", self._heartbeats.store, every.heartbeats),
            Work("look_at_inventories", self._inventory_bookmarks.look, every.bookmarks),
            Work("look_at_answers", self._digest_bookmarks.look, every.bookmarks),
            Work("look_at_lists", self._tag_bookmarks.look, every.bookmarks),
            Work("registries", self._follow.run, every.registries, self._process.reload),
            Work("look_at_lanes", self._lanes.look, every.lanes),
            Work("tidy", maintain.tidy, every.tidy),
            Work("analyze_grown", maintain.analyze_grown, every.analyze),
            Work("add_up_usage", maintain.add_up_usage, every.add_up),
            Work("count_hosts", maintain.count_hosts, every.count, first_after_s=every.count),
            Work(
                "count_fleet",
                self._count_fleet(every.fleet).run,
                every.fleet,
                first_after_s=every.trend / 2,
            ),
            Work(
                "versions",
                self._follow_versions().run,
                every.versions,
                first_after_s=every.versions,
            ),
            Work(
                "base_images",
                self._follow_base_images().run,
                every.base_images,
                first_after_s=every.base_images,
            ),
            Work("take_trend", maintain.take_trend, every.trend, first_after_s=every.trend),
        ]

    def _store_inventories(self) -> StoreInventories:
        hosts = HostTables(
            self._database,
            self._comparisons,
            self._keys,
            self._inventory_bookmarks,
            self._plan_now.set,
        )
        return StoreInventories(hosts, self._inventories, self._inventory_bookmarks, self._clock)

    def _store_answers(self) -> StoreAnswers:
        answers = AnswerTable(
            self._database,
            self._digest_bookmarks,
            self._settings.freshness_rules,
            self._registries.is_named,
            self._announce_now.set,
        )
        return StoreAnswers(answers, self._digests, self._digest_bookmarks)

    def _plan(self) -> Plan:
        rules = self._settings.freshness_rules
        publisher = QuestionPublisher(
            self._bus,
            self._registries.lane_of,
            self._lanes.is_missing,
            question_ttl(rules),
            list_ttl(rules),
        )
        return Plan(
            QuestionTable(self._database, rules, self._settings.outstanding, OF_ONE_HOST),
            ListQuestions(self._database, rules),
            BlockedReferences(self._database, rules, MOVED_AT_ONCE),
            publisher,
            self._comparisons,
            self._turns,
            rules,
            self._clock,
            self._plan_now,
            self._process.stopping,
            NOTED_AT_ONCE,
        )

    def _announce(self) -> Announce:
        return Announce(
            OutboxTable(self._database),
            ChangePublisher(self._bus),
            self._turns,
            self._announce_now,
        )

    def _follow_versions(self) -> FollowVersions:
        return FollowVersions(self._tag_lists, self._turns, self._clock)

    def _count_fleet(self, period_s: float) -> CountFleet:
        tables = FleetCountTables(self._database, self._settings.metrics_place_levels)
        return CountFleet(tables, FleetMetrics(), self._turns, self._clock, period_s)

    def _follow_base_images(self) -> FollowBaseImages:
        table = BaseImageTable(self._database, self._candidates)
        return FollowBaseImages(table, self._turns, self._clock, is_wanted=self._settings.bases)

    def _maintain(self) -> Maintain:
        return Maintain(
            MaintainedTables(self._database), self._turns, self._settings.retention, self._clock
        )
