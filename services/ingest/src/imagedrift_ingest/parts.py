"""The parts of one ingest process: tables, publishers, and the use cases made of them."""

import asyncio

from imagedrift_ingest.adapters.fleet_metrics import FleetMetrics
from imagedrift_ingest.adapters.jetstream.lanes import LaneMonitor
from imagedrift_ingest.adapters.jetstream.publishers import (
    ChangePublisher,
    DeadLetterPublisher,
    QuestionPublisher,
)
from imagedrift_ingest.adapters.jetstream.streams import DIGESTS, REGISTRIES, TAGS, SourceStream
from imagedrift_ingest.adapters.postgres.answers import AnswerTable
from imagedrift_ingest.adapters.postgres.base_images import BaseImageTable
from imagedrift_ingest.adapters.postgres.blocks import MOST_AT_ONCE as MOVED_AT_ONCE
from imagedrift_ingest.adapters.postgres.blocks import BlockedReferences
from imagedrift_ingest.adapters.postgres.bookmarks import Bookmarks
from imagedrift_ingest.adapters.postgres.candidates import CandidateRules
from imagedrift_ingest.adapters.postgres.comparisons import ComparisonIds
from imagedrift_ingest.adapters.postgres.connection import Database
from imagedrift_ingest.adapters.postgres.dead_letters import DeadLetterTable
from imagedrift_ingest.adapters.postgres.digest_questions import DigestQuestions
from imagedrift_ingest.adapters.postgres.far_moments import FarMoments
from imagedrift_ingest.adapters.postgres.fleet_counts import FleetCountTables
from imagedrift_ingest.adapters.postgres.heartbeats import StoredHeartbeats
from imagedrift_ingest.adapters.postgres.host_ids import HostIds
from imagedrift_ingest.adapters.postgres.hosts import HostTables
from imagedrift_ingest.adapters.postgres.maintenance import MaintainedTables
from imagedrift_ingest.adapters.postgres.outbox import OutboxTable
from imagedrift_ingest.adapters.postgres.questions import OF_ONE_HOST, ListQuestions, TagQuestions
from imagedrift_ingest.adapters.postgres.registries import RegistryTable
from imagedrift_ingest.adapters.postgres.tag_lists import TagListTable
from imagedrift_ingest.adapters.postgres.turns import TurnTable
from imagedrift_ingest.adapters.postgres.verdicts import StoredVerdicts
from imagedrift_ingest.core.freshness import list_ttl, question_ttl
from imagedrift_ingest.core.questions import DueList
from imagedrift_ingest.settings import IngestSettings
from imagedrift_ingest.usecases import describe, plan
from imagedrift_ingest.usecases.announce import Announce
from imagedrift_ingest.usecases.ask import Ask, D, DueQuestions
from imagedrift_ingest.usecases.base_images import FollowBaseImages
from imagedrift_ingest.usecases.bring_back import BringBack
from imagedrift_ingest.usecases.count_fleet import CountFleet
from imagedrift_ingest.usecases.describe import DescribeDigests
from imagedrift_ingest.usecases.heartbeats import MOST_HELD, Heartbeats
from imagedrift_ingest.usecases.maintain import Maintain
from imagedrift_ingest.usecases.plan import Plan
from imagedrift_ingest.usecases.policy import FollowRegistries
from imagedrift_ingest.usecases.store.answers import (
    StoreAnswers,
    StoreDeadLetters,
    StoreRegistryStates,
)
from imagedrift_ingest.usecases.store.inventories import StoreInventories
from imagedrift_ingest.usecases.store.lists import StoreLists
from imagedrift_ingest.usecases.versions import FollowVersions
from imagedrift_runtime.clock import Clock
from imagedrift_runtime.nats.bus import Bus
from imagedrift_runtime.process import Process
from imagedrift_runtime.registries.watched_file import LiveRegistries
from imagedrift_schemas import subjects


class Parts:
    """The parts of one process, each made once, and its use cases over them."""

    def __init__(
        self,
        settings: IngestSettings,
        process: Process,
        database: Database,
        bus: Bus,
        registries: LiveRegistries,
        clock: Clock,
    ) -> None:
        self.bus = bus
        self.process = process
        self.clock = clock
        self.settings = settings
        self.database = database
        self._registries = registries
        self.plan_now, self.describe_now = asyncio.Event(), asyncio.Event()
        self.announce_now = asyncio.Event()
        self._rules = settings.freshness_rules
        self._turns = TurnTable(database, process.health, clock)
        self.lanes = LaneMonitor(bus, registries.lanes)
        self._publisher = QuestionPublisher(
            bus,
            registries.lane_of,
            self.lanes.is_missing,
            question_ttl(self._rules),
            list_ttl(self._rules),
        )
        self.follow_registries = FollowRegistries(
            registries, StoredVerdicts(database), self.lanes.look, process.reload, self.plan_now
        )
        self._comparisons = ComparisonIds(
            database, registries.is_named, settings.freshness, settings.new_images_per_host
        )
        self._keys = HostIds(database, self._comparisons)
        self._inventories, self.inventory_bookmarks = self._source(subjects.STREAM_INVENTORY)
        self._digests, self.digest_bookmarks = self._source(DIGESTS)
        self._tags, self.tag_bookmarks = self._source(TAGS)
        self._candidates = CandidateRules(registries.is_named)
        self._tag_lists = TagListTable(database, self.tag_bookmarks, self._rules, self._candidates)
        self.heartbeats = Heartbeats(
            StoredHeartbeats(database, self._keys), DeadLetterPublisher(bus), clock, MOST_HELD
        )

    def store_inventories(self) -> StoreInventories:
        """Make the handler that stores inventories."""
        hosts = HostTables(
            self.database,
            self._comparisons,
            self._keys,
            self.inventory_bookmarks,
            self._new_images,
        )
        return StoreInventories(hosts, self._inventories, self.inventory_bookmarks, self.clock)

    def store_answers(self) -> StoreAnswers:
        """Make the handler that stores answers."""
        answers = AnswerTable(
            self.database,
            self.digest_bookmarks,
            self._rules,
            self._registries.is_named,
            self.announce_now.set,
        )
        return StoreAnswers(answers, self._digests, self.digest_bookmarks)

    def store_lists(self) -> StoreLists:
        """Make the handler that stores lists of tags."""
        return StoreLists(self._tag_lists, self._tags, self.tag_bookmarks)

    def store_registry_states(self) -> StoreRegistryStates:
        """Make the handler that stores the states of registries."""
        states = SourceStream(self.bus, REGISTRIES, self.clock)
        return StoreRegistryStates(RegistryTable(self.database), states)

    def store_dead_letters(self) -> StoreDeadLetters:
        """Make the handler that stores dead letters."""
        letters = SourceStream(self.bus, subjects.STREAM_DEAD, self.clock)
        return StoreDeadLetters(DeadLetterTable(self.database), letters)

    def plan(self) -> Plan:
        """Make the planner, which asks about the tags that are due."""
        blocked = BlockedReferences(self.database, self._rules, MOVED_AT_ONCE)
        tags = TagQuestions(
            self.database, blocked, self._rules, self.settings.outstanding, OF_ONE_HOST
        )
        return Plan(
            self._ask(plan.TURN, tags).run,
            self._comparisons,
            self.clock,
            self.plan_now,
            self.process.stopping,
        )

    def describe(self) -> DescribeDigests:
        """Make the work that asks what is inside digests."""
        return DescribeDigests(
            self._ask(describe.TURN, DigestQuestions(self.database, self._rules, OF_ONE_HOST)).run,
            self.clock,
            self.describe_now,
            self.process.stopping,
        )

    def list_tags(self) -> Ask[DueList]:
        """Make the work that asks for the tags of repositories."""
        return self._ask("list_tags", ListQuestions(self.database, self._rules))

    def announce(self) -> Announce:
        """Make the publisher of changed verdicts."""
        return Announce(
            OutboxTable(self.database),
            ChangePublisher(self.bus),
            self._turns,
            self.announce_now,
        )

    def follow_versions(self) -> FollowVersions:
        """Make the work that finds newer versions."""
        return FollowVersions(self._tag_lists, self._turns, self.clock)

    def count_fleet(self, period_s: float) -> CountFleet:
        """Make the work that counts the fleet."""
        tables = FleetCountTables(self.database, self.settings.metrics_place_levels)
        return CountFleet(tables, FleetMetrics(), self._turns, self.clock, period_s)

    def follow_base_images(self) -> FollowBaseImages:
        """Make the work that judges base images."""
        table = BaseImageTable(self.database, self._candidates)
        return FollowBaseImages(table, self._turns, self.clock, is_wanted=self.settings.bases)

    def maintain(self) -> Maintain:
        """Make the work that maintains the tables."""
        return Maintain(
            MaintainedTables(self.database), self._turns, self.settings.retention, self.clock
        )

    def bring_back(self) -> BringBack:
        """Make the work that brings back what a clock put off."""
        tables = FarMoments(self.database, self._rules)
        return BringBack(tables, self._turns, self.clock)

    def _ask(self, turn: str, questions: DueQuestions[D]) -> Ask[D]:
        """Make the work that asks questions of one kind."""
        return Ask(turn, questions, self._publisher, self._turns, self.clock)

    def _new_images(self) -> None:
        """Tell that hosts brought new images."""
        self.plan_now.set()
        self.describe_now.set()

    def _source(self, name: str) -> tuple[SourceStream, Bookmarks]:
        """Open a stream, and the bookmarks that tell how far it was read."""
        stream = SourceStream(self.bus, name, self.clock)
        return stream, Bookmarks(self.database, name, stream)
