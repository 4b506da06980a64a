"""The shared cache for others: it can be asked over NATS, and told that a tag has moved."""

from collections.abc import Callable
from datetime import datetime
from typing import Final

from msgspec import Struct

from imagedrift_resolver.adapters.jetstream import JetStreamCache
from imagedrift_resolver.core.credential import ANONYMOUS
from imagedrift_resolver.core.freshness import may_serve
from imagedrift_runtime.logs import get_logger
from imagedrift_runtime.nats.bus import Bus
from imagedrift_runtime.nats.errors import BusError, RequestRefused
from imagedrift_runtime.nats.results import Stored
from imagedrift_runtime.registries.operator_file import Registries
from imagedrift_schemas import codec, subjects
from imagedrift_schemas.errors import SchemaError
from imagedrift_schemas.questions import question_about
from imagedrift_schemas.reference import ImageReference

log = get_logger()

ASKED_AGAIN_TTL_S: Final = 30.0


class CacheRequest(Struct, frozen=True):
    """A request to the micro service: a reference, and the credential the asker goes by."""

    reference: str
    credential: str = ANONYMOUS


class CacheApi:
    """Answers from the cache; puts questions on behalf of a registry."""

    def __init__(
        self, bus: Bus, cache: JetStreamCache, registries: Registries, now: Callable[[], datetime]
    ) -> None:
        self._bus = bus
        self._cache = cache
        self._registries = registries
        self._now = now

    async def lookup(self, payload: bytes) -> bytes:
        """Answer a request to the micro service: `{"reference": …}`, or the bare reference."""
        wanted = _read_request(payload)
        try:
            reference = ImageReference.parse(wanted.reference)
        except SchemaError as error:
            raise RequestRefused("400", str(error)) from error
        if reference.is_pinned:
            raise RequestRefused(
                "400", f"{reference.familiar}: a digest points to itself, ask for a tag"
            )
        now = self._now()
        answer, _ = await self._cache.read(question_about(reference, now, now))
        if answer is None:
            raise RequestRefused("404", f"{reference.familiar}: nobody has asked for it yet")
        if not may_serve(answer, wanted.credential):
            raise RequestRefused("403", f"{reference.familiar}: got with another credential")
        return codec.encode(answer)

    async def moved(self, references: tuple[ImageReference, ...]) -> int:
        """Ask again, at once, for moved tags that are of interest; return how many were asked."""
        asked = 0
        for reference in references:
            try:
                asked += await self._ask_again(reference)
            except BusError as error:
                log.warning("question.lost", reference=reference.canonical, error=str(error))
        return asked

    async def _ask_again(self, reference: ImageReference) -> bool:
        """Put the question anew: the cached answer is older than it, and so counts no more."""
        now = self._now()
        question = question_about(reference, now, now)
        known, _ = await self._cache.read(question)
        if known is None:
            return False
        lane = self._registries.lane_of(question.registry)
        subject = subjects.lookup(lane, question)
        payload = codec.encode(question)
        stored = await self._bus.replace(
            subjects.STREAM_LOOKUP, subject, payload, ttl_s=ASKED_AGAIN_TTL_S
        )
        return isinstance(stored, Stored)


def _read_request(payload: bytes) -> CacheRequest:
    text = payload.strip()
    if text.startswith(b"{"):
        try:
            return codec.decode(text, CacheRequest)
        except SchemaError as error:
            raise RequestRefused("400", str(error)) from error
    return CacheRequest(text.decode("utf-8", "replace"))
