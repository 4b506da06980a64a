"""A container engine by its Docker-compatible API: Docker Engine, and Podman's socket.

A pass asks for the lists, and for the details of what it has not seen before: an image's are kept
while the list says the same of it, a container's configured reference for the container's life. So
a pass over an unchanged host is four calls.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AsyncExitStack, aclosing, suppress
from typing import TypeVar
from urllib.parse import quote, urlencode

import msgspec

from imagedrift_agent.adapters.http import (
    ANSWER_WITHIN_S,
    Connection,
    EngineFault,
    NotThere,
    Refused,
)
from imagedrift_agent.core import records
from imagedrift_agent.core.address import Address
from imagedrift_agent.core.api import path_prefix, wants_manifests
from imagedrift_agent.core.inventory import take_census
from imagedrift_agent.core.survey import Survey

T = TypeVar("T")
U = TypeVar("U")

PASS_WITHIN_S = 120.0
WORKERS = 4
MAX_EVENT = 1024 * 1024

# Only what changes an inventory: health checks alone cause three `exec_*` events each time.
EVENTS = {
    "type": ["image", "container", "daemon"],
    "event": [
        *("pull", "push", "tag", "untag", "delete", "import", "load", "save", "prune", "build"),
        *("create", "start", "restart", "die", "died", "stop", "kill", "pause", "unpause"),
        *("destroy", "remove", "rename", "loadfromarchive", "reload", "commit"),
    ],
}

_Pool = list[Connection]


class Engine:
    """One engine."""

    def __init__(
        self, find: Callable[[], Address], answer_within_s: float = ANSWER_WITHIN_S
    ) -> None:
        self._find = find
        self._answer_within_s = answer_within_s
        self._version = records.Version()
        self._images: dict[records.ImageSummary, records.Image] = {}
        self._broken: set[records.ImageSummary] = set()
        self._configured: dict[str, str] = {}

    async def take(self) -> Survey:
        """Look at everything. Raises `EngineFault`."""
        try:
            async with asyncio.timeout(PASS_WITHIN_S), AsyncExitStack() as stack:
                pool = [await stack.enter_async_context(self._connection()) for _ in range(WORKERS)]
                return await self._pass(pool)
        except TimeoutError as error:
            raise EngineFault(f"the engine took more than {PASS_WITHIN_S:.0f} s") from error

    async def changes(self) -> AsyncIterator[records.Event | None]:
        """Follow the engine's events, None first, once it listens. Raises `EngineFault`."""
        async with self._connection() as connection:
            prefix = path_prefix(await _version(connection))
            query = urlencode({"filters": json.dumps(EVENTS)})
            rest = b""
            async with aclosing(connection.stream(f"{prefix}/events?{query}")) as chunks:
                async for chunk in chunks:
                    if not chunk:
                        yield None
                    *lines, rest = (rest + chunk).split(b"\n")
                    if len(rest) > MAX_EVENT:
                        raise EngineFault(f"GET /events: one of more than {MAX_EVENT} bytes")
                    for line in filter(bytes.strip, lines):
                        yield _decode("/events", line, records.Event)
        raise EngineFault("the engine ended its stream of events")

    async def _pass(self, pool: _Pool) -> Survey:
        version = await _version(pool[0])
        self._forget_if_upgraded(version)
        prefix = path_prefix(version)
        info = await _get(pool[0], f"{prefix}/info", records.Info)
        summaries = await _get(pool[0], f"{prefix}/images/json", list[records.ImageSummary])
        listed = await _get(pool[0], f"{prefix}/containers/json?all=1", list[records.Container])
        containers = await self._with_references(pool, prefix, listed)
        wanted = _wanted(summaries, containers)
        images = await self._with_details(pool, wanted, by_digest=info.has_containerd_store)
        census = take_census(images, containers)
        broken = {"broken": len(self._broken)} if self._broken else {}
        return Survey(
            census=msgspec.structs.replace(census, skipped={**census.skipped, **broken}),
            engine="podman" if _is_podman(version) else "docker",
            engine_version=version.version,
            os=version.os,
            arch=version.arch,
            hostname=info.name,
            labels=dict(_pairs(info.labels or ())),
        )

    def _connection(self) -> Connection:
        return Connection(self._find(), self._answer_within_s)

    def _forget_if_upgraded(self, version: records.Version) -> None:
        """Read all details again from an engine that may say more, or otherwise, than before."""
        if version != self._version:
            self._version = version
            self._images.clear()

    async def _with_references(
        self, pool: _Pool, prefix: str, listed: list[records.Container]
    ) -> list[records.Container]:
        """Read what containers were configured with where the list shows only an id."""
        hidden = [c.id for c in listed if records.shows_only_an_id(c)]
        self._configured = {i: self._configured[i] for i in hidden if i in self._configured}

        async def detail(connection: Connection, container: str) -> None:
            target = f"{prefix}/containers/{quote(container, safe='')}/json"
            found = await _get(connection, target, records.ContainerDetail)
            self._configured[container] = found.config.image

        await _each(pool, [i for i in hidden if i not in self._configured], detail)
        return [
            msgspec.structs.replace(c, image=self._configured.get(c.id, c.image)) for c in listed
        ]

    async def _with_details(
        self, pool: _Pool, wanted: list[records.ImageSummary], *, by_digest: bool
    ) -> list[records.Image]:
        """Read the details of images; those that did not change are known already.

        An engine can have one broken image among good ones: that is told by what the list says.
        """
        query = "?manifests=1" if wants_manifests(self._version) else ""
        prefix = path_prefix(self._version)
        known = self._images.keys() - self._broken
        self._images = {each: self._images[each] for each in wanted if each in known}
        self._broken.clear()

        async def detail(connection: Connection, summary: records.ImageSummary) -> None:
            target = f"{prefix}/images/{quote(summary.id, safe=':')}/json{query}"
            try:
                found = await _get(connection, target, records.Image)
            except NotThere:
                raise
            except Refused:
                self._broken.add(summary)
                found = records.known_by_list(summary, self._version)
            digest = records.image_id(found.id) if by_digest else summary.digest
            self._images[summary] = msgspec.structs.replace(found, digest=digest)

        await _each(pool, [each for each in wanted if each not in self._images], detail)
        return list(self._images.values())


async def _each(
    pool: _Pool, items: list[T], call: Callable[[Connection, T], Awaitable[None]]
) -> None:
    """Make a call for every item; one that is not there any more is passed over."""
    left = iter(items)

    async def work(connection: Connection) -> None:
        for item in left:
            with suppress(NotThere):
                await call(connection, item)

    try:
        async with asyncio.TaskGroup() as group:
            for connection in pool[: len(items)]:
                group.create_task(work(connection))
    except ExceptionGroup as faults:
        raise faults.exceptions[0] from None


async def _version(connection: Connection) -> records.Version:
    return await _get(connection, "/version", records.Version)


async def _get(connection: Connection, target: str, kind: type[U]) -> U:
    return _decode(target, await connection.get(target), kind)


def _decode(target: str, body: bytes, kind: type[U]) -> U:
    try:
        return records.read(body, kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Refused(
            f"GET {target.partition('?')[0]}: not what an engine says: {error}"
        ) from error


def _wanted(
    summaries: list[records.ImageSummary], containers: list[records.Container]
) -> list[records.ImageSummary]:
    """The images to look at: those listed, and those that only a container still has."""
    listed = {records.image_id(summary.id) for summary in summaries}
    hidden = {records.image_id(c.image_id) for c in containers if c.image_id} - listed
    return summaries + [records.ImageSummary(id=image) for image in sorted(hidden)]


def _is_podman(version: records.Version) -> bool:
    return any("podman" in part.name.lower() for part in version.components or ())


def _pairs(labels: Iterable[str]) -> Iterable[tuple[str, str]]:
    """Read `key=value` labels; one without a value is a key with an empty one."""
    for label in labels:
        key, _, value = label.partition("=")
        yield key, value
