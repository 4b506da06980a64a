"""Ingest's parts on a database, without NATS: what a test does not name is as simple as can be."""

from datetime import datetime
from typing import Any

import asyncpg

from imagedrift_ingest.adapters.postgres import connection
from imagedrift_ingest.adapters.postgres.answers import AnswerTable
from imagedrift_ingest.adapters.postgres.base_images import BaseImageTable
from imagedrift_ingest.adapters.postgres.bookmarks import Bookmarks
from imagedrift_ingest.adapters.postgres.candidates import CandidateRules
from imagedrift_ingest.adapters.postgres.comparisons import ComparisonIds
from imagedrift_ingest.adapters.postgres.connection import Database
from imagedrift_ingest.adapters.postgres.fleet_counts import FleetCountTables
from imagedrift_ingest.adapters.postgres.host_ids import HostIds
from imagedrift_ingest.adapters.postgres.hosts import HostTables
from imagedrift_ingest.adapters.postgres.maintenance import MaintainedTables
from imagedrift_ingest.adapters.postgres.tag_lists import TagListTable
from imagedrift_ingest.adapters.postgres.turns import LEASE_S, LONGEST_S, TurnTable
from imagedrift_ingest.core.freshness import FreshnessRules
from imagedrift_ingest.core.quota import MOST_CANDIDATES, MOST_NEW
from imagedrift_ingest.core.retention import Retention
from imagedrift_ingest.usecases.maintain import Maintain
from imagedrift_ingest.usecases.store.answers import StoreAnswers
from imagedrift_ingest.usecases.store.inventories import HostStore, StoreInventories
from imagedrift_runtime.clock import Clock, SystemClock
from imagedrift_runtime.health import Health


class StillStream:
    """A stream that was made once, keeps what it has, and of which nothing was acknowledged."""

    async def epoch(self) -> int:
        """Return the same epoch each time."""
        return 1

    async def is_newest(self, subject: str, seq: int, stored_at: datetime) -> bool:
        """Say that every message is older than what the stream has."""
        return False

    async def acknowledged(self) -> tuple[int, int]:
        """Say that nothing was acknowledged."""
        return 1, 0

    async def reread_all(self) -> None:
        """Deliver nothing again."""


class NoRefusals:
    """Forgets what is refused."""

    def note_refused(self, seq: int) -> None:
        """Forget it."""


def database_of(pool: "asyncpg.Pool[asyncpg.Record]", health: Health | None = None) -> Database:
    """Make a database of a pool."""
    return Database(pool, health or Health(), SystemClock())


def turns_on(
    database: Database,
    health: Health | None = None,
    clock: Clock | None = None,
    lease_s: float = LEASE_S,
    longest_s: float = LONGEST_S,
) -> TurnTable:
    """Make turns, as each process has its own."""
    return TurnTable(database, health or Health(), clock or SystemClock(), lease_s, longest_s)


async def count_fleet(dsn: str) -> None:
    """Count the fleet of a database once, as ingest does every minute."""
    async with connection.pool(dsn, connections=1) as pool:
        tables = FleetCountTables(database_of(pool))
        await tables.count_due()
        await tables.count_hosts_and_images()


def maintain_on(database: Database, retention: Retention | None = None) -> Maintain:
    """Make the work of maintenance."""
    clock, tables = SystemClock(), MaintainedTables(database)
    return Maintain(tables, turns_on(database), retention or Retention(), clock)


def comparison_ids_on(
    database: Database, freshness_s: float = 300.0, most_new: int = MOST_NEW
) -> ComparisonIds:
    """Make a comparisons of images, for an operator who named no registry."""
    return ComparisonIds(database, lambda _: False, freshness_s, most_new)


def hosts_on(
    database: Database,
    comparisons: ComparisonIds | None = None,
    keys: HostIds | None = None,
) -> HostTables:
    """Make the tables of hosts."""
    comparisons = comparisons or comparison_ids_on(database)
    keys = keys or HostIds(database, comparisons)
    bookmarks = Bookmarks(database, "S", StillStream())
    return HostTables(database, comparisons, keys, bookmarks, lambda: None)


def answers_on(database: Database, rules: FreshnessRules | None = None) -> AnswerTable:
    """Make the table of answers, for an operator who named no registry."""
    bookmarks = Bookmarks(database, "D", StillStream())
    return AnswerTable(
        database, bookmarks, rules or FreshnessRules(), lambda _: False, lambda: None
    )


def lists_on(
    database: Database,
    rules: FreshnessRules | None = None,
    most_candidates: int = MOST_CANDIDATES,
) -> TagListTable:
    """Make the table of tag lists, for an operator who named no registry."""
    bookmarks = Bookmarks(database, "T", StillStream())
    candidates = CandidateRules(lambda _: False, most_candidates)
    return TagListTable(database, bookmarks, rules or FreshnessRules(), candidates)


def base_images_on(database: Database, most_candidates: int = MOST_CANDIDATES) -> BaseImageTable:
    """Make the table of base images, for an operator who named no registry."""
    return BaseImageTable(database, CandidateRules(lambda _: False, most_candidates))


def store_inventories(
    hosts: HostStore, stream: Any = None, clock: Clock | None = None
) -> StoreInventories:
    """Make the handler of inventories."""
    return StoreInventories(hosts, stream or StillStream(), NoRefusals(), clock or SystemClock())


def store_answers(answers: Any) -> StoreAnswers:
    """Make the handler of answers."""
    return StoreAnswers(answers, StillStream(), NoRefusals())
