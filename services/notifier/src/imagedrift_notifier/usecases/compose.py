"""Composing: claims whose time has come become messages, in one transaction with them.

The numbers are those of this moment. What is not due any more is dropped, and may become due again.
"""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from imagedrift_notifier.core.bundle import bundles
from imagedrift_notifier.core.content import Content, write
from imagedrift_notifier.core.due_group import DueGroup, Topic
from imagedrift_notifier.core.route import MessageRoute
from imagedrift_notifier.usecases.claiming import LiveRoutes


class Gathered(Protocol):
    """Topics of a route whose time has come, locked until they are written."""

    topics: Sequence[Topic]

    async def drop(self, topics: Sequence[Topic]) -> None:
        """Drop claims that are not due any more."""

    async def write(self, content: Content, topics: Sequence[Topic]) -> None:
        """Write the message of some topics."""


class GatheredClaims(Protocol):
    """Claims whose time has come. Raises `DatabaseAway`."""

    async def routes_with_claims(self) -> set[str]:
        """Name the routes that have topics whose time has come."""

    def gathered(self, route: MessageRoute) -> AbstractAsyncContextManager[Gathered]:
        """Lock the topics of a route whose time has come, and commit with the context."""


class GroupReader(Protocol):
    """Reads due images and failing registries. Raises `DatabaseAway`."""

    async def of_reference(self, route: MessageRoute, reference: str) -> list[DueGroup]:
        """Read all that is due of a reference on the hosts of a route."""

    async def errors(self) -> list[DueGroup]:
        """Read which registries fail."""


class Compose:
    """Writes messages."""

    def __init__(self, reader: GroupReader, claims: GatheredClaims, routes: LiveRoutes) -> None:
        self._reader = reader
        self._claims = claims
        self._routes = routes

    async def run(self) -> None:
        """Write all messages whose time has come."""
        held = self._routes()
        for name in await self._claims.routes_with_claims():
            if route := held.routes.get(name):
                async with self._claims.gathered(route) as gathered:
                    await self._write(route, gathered, held.page)

    async def _write(self, route: MessageRoute, gathered: Gathered, page: str) -> None:
        if not gathered.topics:
            return
        due = {group.topic: group for group in await self._due(route, gathered.topics)}
        await gathered.drop([topic for topic in gathered.topics if topic not in due])
        groups = [due[topic] for topic in gathered.topics if topic in due]
        for bundle in bundles(route, groups):
            content = write(route.name, bundle, page)
            await gathered.write(content, [group.topic for group in bundle])

    async def _due(self, route: MessageRoute, topics: Sequence[Topic]) -> list[DueGroup]:
        """Read anew the images of these topics."""
        images = dict.fromkeys(t.reference for t in topics if t.kind != "error")
        groups = [
            group for each in images for group in await self._reader.of_reference(route, each)
        ]
        if any(topic.kind == "error" for topic in topics):
            groups += await self._reader.errors()
        return groups
