"""The notifier's own tables: routes, claims and messages."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Final

import asyncpg

from imagedrift_notifier.adapters.database import NotifierConnection, NotifierDatabase, rows_on
from imagedrift_notifier.core.claim import Claim
from imagedrift_notifier.core.content import MessageContent
from imagedrift_notifier.core.due_group import Topic
from imagedrift_notifier.core.outbound import (
    OutboundMessage,
    RemovedRoute,
    RouteCounts,
    RouteState,
    StartedOver,
)
from imagedrift_notifier.core.outcome import LONGEST_PAUSE, NextStep
from imagedrift_notifier.core.route import MessageRoute
from imagedrift_runtime.clock_agreement import require_agreement

LEASE: Final = timedelta(seconds=60)
"""Longer than a try may take."""
WEBHOOK_LEASE: Final = timedelta(seconds=15)
"""The same of a webhook. Its message is sent again then, and should not wait for long."""
KEPT: Final = timedelta(days=400)
GRACE: Final = timedelta(hours=1)
"""A route that is missing for less is not removed: a file may be half written."""
MOST_COMPOSED: Final = 20_000
"""Topics that are composed in one transaction: all of a storm are one message."""


class GatheredTopics:
    """Topics of a route, locked in one transaction until they are written."""

    def __init__(
        self, connection: NotifierConnection, route: MessageRoute, topics: Sequence[Topic]
    ) -> None:
        self._connection = connection
        self._route = route
        self.topics = topics

    async def drop(self, topics: Sequence[Topic]) -> None:
        """Drop claims that are not due any more."""
        if topics:
            values = _columns(topics)
            await rows_on(self._connection, "drop_claims", {"route": self._route.name, **values})

    async def write(self, content: MessageContent, topics: Sequence[Topic]) -> None:
        """Write the message of some topics."""
        values = {
            "route": self._route.name,
            "channel": self._route.channel,
            "title": content.title,
            "body": content.body,
            "payload": content.payload,
            **_columns(topics),
        }
        await rows_on(self._connection, "write_message", values)


class MessageTables:
    """Writes claims and messages. Everything here raises `DatabaseUnreachable`."""

    def __init__(self, database: NotifierDatabase) -> None:
        self._database = database

    async def drop_removed(self) -> list[RemovedRoute]:
        """Drop the waiting messages of removed routes; return each route that had some."""
        rows = await self._database.rows("drop_removed", grace=GRACE)
        return [RemovedRoute(**dict(row)) for row in rows]

    async def enter(self, routes: Sequence[str]) -> dict[str, RouteState]:
        """Enter the routes of the file, note which are missing, and return the state of each."""
        await self._database.rows("enter_routes", routes=list(routes), grace=GRACE)
        await self._database.rows("mark_removed", routes=list(routes))
        rows = await self._database.rows("routes", routes=list(routes))
        return {
            row["route"]: RouteState(row["since"], row["is_begun"], row["now"], row["is_restored"])
            for row in rows
        }

    async def begin(self, routes: Sequence[str]) -> None:
        """Note that all that was due before these routes were made is claimed."""
        await self._database.rows("begin_routes", routes=list(routes))

    async def claim(self, route: str, since: datetime, claims: Sequence[Claim]) -> int:
        """Claim topics of a route that began then, and return how many are new."""
        if not claims:
            return 0
        values: dict[str, object] = {**_columns([claim.topic for claim in claims])}
        times = [claim.send_at for claim in claims]
        values = {"route": route, "since": since, "times": times, **values}
        return len(await self._database.rows("claim", **values))

    async def bring_forward(self, latest: Mapping[str, datetime]) -> None:
        """Bring the gathered topics of each route forward to these times, where they are sooner."""
        times = list(latest.values())
        await self._database.rows("bring_forward", routes=list(latest), times=times)

    async def release_errors(self, routes: Sequence[str], failing: Sequence[Topic]) -> None:
        """Forget the claims of registries that do not fail any more."""
        await self._database.rows(
            "release_errors",
            routes=list(routes),
            references=[topic.reference for topic in failing],
            targets=[topic.target for topic in failing],
        )

    async def routes_with_claims(self) -> dict[str, datetime]:
        """Name the routes that have topics whose time has come; with the time by the database."""
        rows = await self._database.rows("routes_with_claims")
        return {row["route"]: row["now"] for row in rows}

    async def routes_with_messages(self) -> dict[str, datetime]:
        """Name the routes that have messages to be tried; with the time by the database."""
        await self._database.rows("bring_back", longest_pause=LONGEST_PAUSE)
        rows = await self._database.rows("routes_with_messages")
        return {row["route"]: row["now"] for row in rows}

    async def topics(self, route: str) -> list[Topic]:
        """Read the topics of a route whose time has come."""
        rows = await self._database.rows("due_claims", route=route, most=MOST_COMPOSED)
        return [_topic(row) for row in rows]

    @asynccontextmanager
    async def gathered(
        self, route: MessageRoute, topics: Sequence[Topic]
    ) -> AsyncIterator[GatheredTopics]:
        """Lock those of the topics that nobody has written, and commit with the context."""
        async with self._database.transaction() as connection:
            values = {"route": route.name, **_columns(topics)}
            rows = await rows_on(connection, "lock_claims", values)
            yield GatheredTopics(connection, route, [_topic(row) for row in rows])

    async def begin_sending(self, route: str) -> OutboundMessage | None:
        """Take the next message of a route, if one is to be tried now."""
        rows = await self._database.rows(
            "begin_sending", route=route, lease=LEASE, webhook_lease=WEBHOOK_LEASE
        )
        return OutboundMessage(**dict(rows[0])) if rows else None

    async def end_sending(self, message: OutboundMessage, step: NextStep) -> None:
        """Note the outcome of a message; after a failure the others of its route wait, too."""
        await self._database.rows(
            "end_sending",
            message_id=message.message_id,
            attempts=message.attempts,
            state=step.state,
            error=step.error,
            pause=step.pause,
        )
        if step.state == "waiting":
            await self._database.rows("postpone", route=message.route, pause=step.pause)

    async def resolve_dead(self) -> list[tuple[str, str, str]]:
        """Give back the messages of notifiers that died: (id, route, state) of each."""
        rows = await self._database.rows("resolve_dead", longest_lease=LEASE)
        return [tuple(row) for row in rows]

    async def is_known(self, message: OutboundMessage) -> bool:
        """Tell whether the database knows of a try, or was restored to a time before it."""
        values = {"message_id": message.message_id, "attempts": message.attempts}
        return bool(await self._database.rows("is_known", **values))

    async def start_over(self, last: OutboundMessage) -> StartedOver:
        """Claim all that is due or waits without a message, as it may have been told."""
        [row] = await self._database.rows("start_over", known_until=last.created_at)
        return StartedOver(**dict(row))

    async def prune(self, at: datetime) -> None:
        """Remove rows past their retention, where `at` is the database's time, too.

        Raises `ClocksDisagree`: what is forgotten would be told again.
        """
        [row] = await self._database.rows("moment")
        require_agreement(row["now"], at)
        await self._database.rows("trim")
        await self._database.rows("prune", kept=KEPT)

    async def counts(self, routes: Sequence[str]) -> list[RouteCounts]:
        """Count the waiting messages of each route."""
        rows = await self._database.rows("counts", routes=list(routes))
        return [RouteCounts(**dict(row)) for row in rows]


def _topic(row: asyncpg.Record) -> Topic:
    return Topic(row["kind"], row["reference"], row["target"])


def _columns(topics: Sequence[Topic]) -> dict[str, list[str]]:
    return {
        "kinds": [topic.kind for topic in topics],
        "references": [topic.reference for topic in topics],
        "targets": [topic.target for topic in topics],
    }
