"""Composing: claims whose time has come become messages, in one transaction with them.

The numbers are those of this moment: they are read first, and then the claims are locked, so that
no lock is held for as long as a storm takes to read. What is not due any more is dropped, and may
become due again. In quiet hours nothing is composed, whatever the claims say.
"""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Protocol

from imagedrift_notifier.core.bundle import bundles
from imagedrift_notifier.core.content import MessageContent, write
from imagedrift_notifier.core.due_group import DueGroup, Topic
from imagedrift_notifier.core.route import HostFilter, MessageRoute, TopicKind
from imagedrift_notifier.core.schedule import is_quiet
from imagedrift_notifier.usecases.claiming import LiveRoutes
from imagedrift_notifier.usecases.route_tasks import RouteTasks


class LockedTopics(Protocol):
    """Topics of a route, locked until they are written."""

    topics: Sequence[Topic]

    async def drop(self, topics: Sequence[Topic]) -> None:
        """Drop claims that are not due any more."""

    async def write(self, content: MessageContent, topics: Sequence[Topic]) -> None:
        """Write the message of some topics."""


class GatheredClaims(Protocol):
    """Claims whose time has come. Raises `DatabaseUnreachable`."""

    async def routes_with_claims(self) -> Mapping[str, datetime]:
        """Name the routes that have topics whose time has come; with the time by the database."""

    async def topics(self, route: str) -> Sequence[Topic]:
        """Read the topics of a route whose time has come."""

    def gathered(
        self, route: MessageRoute, topics: Sequence[Topic]
    ) -> AbstractAsyncContextManager[LockedTopics]:
        """Lock those of the topics that nobody has written, and commit with the context."""


class GroupReader(Protocol):
    """Reads due images and failing registries. Raises `DatabaseUnreachable`."""

    async def portions(self, references: Sequence[str]) -> list[list[str]]:
        """Part references into portions that are read at once."""

    async def of_references(
        self, hosts: HostFilter, kinds: Sequence[TopicKind], references: Sequence[str]
    ) -> list[DueGroup]:
        """Read the due images of a portion of references on some hosts."""

    async def errors(self) -> list[DueGroup]:
        """Read which registries fail."""


class Compose:
    """Writes messages."""

    def __init__(
        self,
        reader: GroupReader,
        claims: GatheredClaims,
        routes: LiveRoutes,
        tasks: asyncio.TaskGroup,
    ) -> None:
        self._reader = reader
        self._claims = claims
        self._routes = routes
        self._tasks = RouteTasks(tasks, self._compose)

    async def run(self) -> None:
        """Write all messages whose time has come."""
        held = self._routes().routes
        waiting = await self._claims.routes_with_claims()
        await self._tasks.run(
            held[name]
            for name, now in waiting.items()
            if name in held and not is_quiet(held[name].schedule, now)
        )

    async def _compose(self, route: MessageRoute) -> None:
        topics = await self._claims.topics(route.name)
        due = {group.topic: group for group in await self._due(route, topics)}
        async with self._claims.gathered(route, topics) as gathered:
            await gathered.drop([topic for topic in gathered.topics if topic not in due])
            groups = [due[topic] for topic in gathered.topics if topic in due]
            for bundle in bundles(route, groups):
                content = write(route.name, bundle, self._routes().page)
                await gathered.write(content, [group.topic for group in bundle])

    async def _due(self, route: MessageRoute, topics: Sequence[Topic]) -> list[DueGroup]:
        """Read anew the images of these topics."""
        images = dict.fromkeys(topic.reference for topic in topics if topic.kind != "error")
        groups: list[DueGroup] = []
        told = [reference for reference in images if route.tells_of(reference)]
        for portion in await self._reader.portions(told) if told else ():
            groups += await self._reader.of_references(route.hosts, route.kinds, portion)
        if any(topic.kind == "error" for topic in topics):
            groups += await self._reader.errors()
        return groups
