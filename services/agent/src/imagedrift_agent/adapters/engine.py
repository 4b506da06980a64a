"""A container engine by its Docker-compatible API: Docker Engine, and Podman's socket.

A pass asks for the lists, and for the details of what it has not seen before: an image's are kept
while the list says the same of it, a container's configured reference for the container's life. So
a pass over an unchanged host is four calls.

One unreadable object never hides a host: an image without details is told by the list, a container
of which only an id is known is left out, and each is counted (`details`). Without `/info` the
store is known by the images and the host's name from the operating system. Only the two lists must
be readable: without them nothing is known of the host.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import aclosing, suppress
from urllib.parse import quote

from msgspec.structs import replace

from imagedrift_agent.adapters.details import Details
from imagedrift_agent.adapters.engine_client import EngineClient
from imagedrift_agent.adapters.engine_faults import (
    CallDenied,
    CallRefused,
    EngineFault,
    NotConnected,
    ObjectGone,
)
from imagedrift_agent.adapters.engine_limits import DEFAULT_LIMITS, EngineLimits
from imagedrift_agent.adapters.event_streams import EVENTS, read_event
from imagedrift_agent.core import api_version, records
from imagedrift_agent.core.address import EngineAddress
from imagedrift_agent.core.image_facts import shown, with_few_labels
from imagedrift_agent.core.image_lister import ImageLister
from imagedrift_agent.core.lists import EngineLists, known_by_list, with_manifests
from imagedrift_agent.core.snapshot import Snapshot
from imagedrift_agent.core.traits import is_podman, traits_of
from imagedrift_agent.core.unreadable import UnreadableObjects

PASS_WITHIN_S = 120.0
INFO_WITHIN_S = 10.0

_INFO = "info"
_MANIFESTS = {"manifests": "1"}


class Engine:
    """One engine."""

    def __init__(
        self, find: Callable[[], EngineAddress], limits: EngineLimits = DEFAULT_LIMITS
    ) -> None:
        self._find = find
        self._limits = limits
        self._version = records.EngineVersion()
        self._info: records.Info | None = None
        self._images: dict[records.SummaryKey, records.EngineImage] = {}
        self._configured: dict[str, str] = {}
        self._lister = ImageLister()
        self._unreadable_images = UnreadableObjects()
        self._unreadable_containers = UnreadableObjects()
        self._unreadable_calls = UnreadableObjects()

    async def take(self) -> Snapshot:
        """Take a snapshot of all images and containers. Raises `EngineFault`."""
        try:
            async with asyncio.timeout(PASS_WITHIN_S), self._client() as client:
                return await self._pass(client)
        except TimeoutError as error:
            raise EngineFault(f"the engine took more than {PASS_WITHIN_S:.0f} s") from error

    async def changes(self) -> AsyncIterator[records.Event | None]:
        """Follow the engine's events, None first, once it listens. Raises `EngineFault`."""
        async with self._client() as client:
            client.speak(api_version.spoken_with(await _version(client)))
            filters = {"filters": json.dumps(EVENTS)}
            rest = b""
            async with aclosing(client.stream("/events", filters)) as chunks:
                async for chunk in chunks:
                    if not chunk:
                        yield None
                    *lines, rest = (rest + chunk).split(b"\n")
                    if len(rest) > self._limits.max_event:
                        most = self._limits.max_event
                        raise EngineFault(f"GET /events: one of more than {most} bytes")
                    for line in filter(bytes.strip, lines):
                        yield read_event(line)
        raise EngineFault("the engine ended its stream of events")

    async def _pass(self, client: EngineClient) -> Snapshot:
        version = await _version(client)
        client.speak(api_version.spoken_with(version))
        self._forget_if_upgraded(version)
        await self._read_info(client)
        lists = await self._read_lists(client)
        details = Details(client, self._limits)
        containers = await self._with_references(details, lists.containers)
        images = await self._with_details(client, details, lists.images)
        if details.engine_is_suspect:
            await _version(client)  # it may be away: then nothing was wrong with the objects
        traits = traits_of(version, self._info, images)
        image_list = self._lister.list(images, containers, traits)
        info = self._info or records.Info()
        return Snapshot(
            image_list=replace(image_list, skipped={**image_list.skipped, **self._unread(lists)}),
            engine="podman" if is_podman(version) else "docker",
            engine_version=shown(version.version or info.server_version),
            os=shown(traits.os) or "linux",
            arch=shown(traits.architecture) or "amd64",
            hostname=shown(info.name),
            labels=dict(_pairs(info.labels or ())),
        )

    def _client(self) -> EngineClient:
        return EngineClient(self._find(), self._limits)

    def _forget_if_upgraded(self, version: records.EngineVersion) -> None:
        """Read all details again from an engine that may say more, or otherwise, than before."""
        if version != self._version:
            self._version = version
            self._images.clear()

    async def _read_info(self, client: EngineClient) -> None:
        """Read the engine's facts of itself; the last ones stand when it cannot be read."""
        self._unreadable_calls.begin_pass([_INFO])
        if not self._unreadable_calls.is_due(_INFO):
            return
        within_s = min(INFO_WITHIN_S, self._limits.answer_within_s)
        try:
            self._info = await client.read("/info", records.Info, within_s=within_s)
        except NotConnected:
            raise
        except EngineFault:
            self._unreadable_calls.failed(_INFO)
        else:
            self._unreadable_calls.recovered(_INFO)

    async def _read_lists(self, client: EngineClient) -> EngineLists:
        """Read the two lists. Raises `EngineFault`."""
        images, odd_images = await self._list_images(client)
        containers, odd_containers = await client.read_list(
            "/containers/json", records.Container, {"all": "1"}
        )
        return EngineLists.of(images, odd_images, containers, odd_containers)

    async def _list_images(
        self, client: EngineClient
    ) -> tuple[list[records.ImageSummary], list[str]]:
        if api_version.needs_listed_manifests(self._version):
            with suppress(CallRefused):  # it may be the query alone that is refused
                return await client.read_list("/images/json", records.ImageSummary, _MANIFESTS)
        return await client.read_list("/images/json", records.ImageSummary)

    async def _with_references(
        self, details: Details, listed: Sequence[records.Container]
    ) -> list[records.Container]:
        """Read the configured references of containers that the list shows with an id alone."""
        hidden = [c.id for c in listed if records.has_image(c) and records.shows_only_an_id(c)]
        self._configured = {i: self._configured[i] for i in hidden if i in self._configured}
        unread = [i for i in hidden if i not in self._configured]

        async def read(container: str) -> None:
            path = _path_of("containers", container)
            found = await details.read(path, records.ContainerDetail)
            _same(path, container, found.id)
            self._configured[container] = found.config.image

        await details.each(self._unreadable_containers, unread, unread, read)
        known = [c for c in listed if c.id not in self._unreadable_containers]
        return [replace(c, image=self._configured.get(c.id, c.image)) for c in known]

    async def _with_details(
        self, client: EngineClient, details: Details, listed: Sequence[records.ImageSummary]
    ) -> list[records.EngineImage]:
        """Read the details of images; those that did not change are known already."""
        wanted = {summary.key: summary for summary in listed}
        self._images = {key: self._images[key] for key in wanted if key in self._images}
        unread = [summary for key, summary in wanted.items() if key not in self._images]
        params = _MANIFESTS if api_version.wants_manifests(self._version) else None

        async def read(summary: records.ImageSummary) -> None:
            path = _path_of("images", summary.id)
            found = await details.read(path, records.EngineImage, params)
            _same(path, records.image_id(summary.id), records.image_id(found.id))
            self._images[summary.key] = replace(with_few_labels(found), digest=summary.digest)

        await details.each(self._unreadable_images, unread, [s.key for s in unread], read)
        unreadable = [summary for key, summary in wanted.items() if key in self._unreadable_images]
        read_ones = [with_manifests(image, wanted[key]) for key, image in self._images.items()]
        return [
            *read_ones,
            *(known_by_list(each) for each in await self._relisted(client, unreadable)),
        ]

    async def _relisted(
        self, client: EngineClient, unreadable: list[records.ImageSummary]
    ) -> list[records.ImageSummary]:
        """Read the manifests of unreadable images from the list, where it can tell them."""
        is_worth_it = bool(unreadable) and api_version.can_list_manifests(self._version)
        if not is_worth_it or any(summary.manifests for summary in unreadable):
            return unreadable
        try:
            again, _ = await client.read_list("/images/json", records.ImageSummary, _MANIFESTS)
        except CallRefused:
            return unreadable
        manifests = {summary.id: summary.manifests for summary in again}
        return [replace(each, manifests=manifests.get(each.id)) for each in unreadable]

    def _unread(self, lists: EngineLists) -> dict[str, int]:
        """Count the objects that are not reported in full, by reason."""
        counted = {
            "info_denied": len(self._unreadable_calls),
            "image_unreadable": lists.odd_images + len(self._unreadable_images),
            "container_unreadable": lists.odd_containers + len(self._unreadable_containers),
        }
        return {reason: count for reason, count in counted.items() if count}


def _path_of(kind: str, name: str) -> str:
    """Build the path of one object's details. Raises `CallRefused` for no segment."""
    if name in ("", ".", ".."):  # a client takes these out of a path
        raise CallRefused(f"GET /{kind}/{name}/json: not asked: no id")
    return f"/{kind}/{quote(name, safe=':')}/json"


def _same(target: str, wanted: str, answered: str) -> None:
    """Refuse details that are of another object than was asked for. Raises `CallRefused`."""
    if wanted != answered:
        raise CallRefused(f"GET {target}: it answers {answered[:80]!a}")


async def _version(client: EngineClient) -> records.EngineVersion:
    """Ask for the engine's version; one that hides it is asked in its own newest version."""
    client.speak("")
    try:
        return await client.read("/version", records.EngineVersion)
    except (CallDenied, ObjectGone):
        return records.EngineVersion()


def _pairs(labels: Iterable[str]) -> Iterable[tuple[str, str]]:
    """Read `key=value` labels; one without a value is a key with an empty one."""
    for label in labels:
        key, _, value = label.partition("=")
        yield shown(key), shown(value)
