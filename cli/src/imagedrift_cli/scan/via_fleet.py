"""Asking a fleet's resolvers first: what they know costs the registry nothing.

Used where NATS_URL is set. What the shared cache does not hold, or will not show, is asked of the
registry directly.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

from msgspec import Struct

from imagedrift_cli.scan.verdicts import Asks
from imagedrift_runtime import urls
from imagedrift_runtime.nats import bus
from imagedrift_runtime.nats.bus import Bus
from imagedrift_runtime.nats.errors import BusError
from imagedrift_runtime.settings import Variable
from imagedrift_schemas import codec, subjects
from imagedrift_schemas.errors import Malformed
from imagedrift_schemas.v1 import Answer, AnyAnswer, Describe, Question, Resolve

CONNECT_WITHIN_S = 5.0
ANSWER_WITHIN_S = 2.0


class SharedSettings(Struct, frozen=True, kw_only=True):
    """Where the fleet's resolvers are, if they are to be asked."""

    nats_url: Annotated[
        tuple[str, ...],
        Variable(
            "NATS_URL",
            "NATS servers, comma-separated; unset: none is asked",
            check=urls.nats_fault,
        ),
    ] = ()
    nats_creds: Annotated[str, Variable("NATS_CREDS", "path of a NATS credentials file")] = ""
    nats_ca: Annotated[str, Variable("NATS_CA", "CA that signed NATS' certificate")] = ""
    nats_tls_first: Annotated[
        bool, Variable("NATS_TLS_FIRST", "true where NATS has handshake_first")
    ] = False


@asynccontextmanager
async def connected(values: SharedSettings) -> AsyncIterator[Bus | None]:
    """Connect to NATS where it is configured; None where it is not. Raises `NoBus`."""
    if not values.nats_url:
        yield None
        return
    async with bus.connect(
        values.nats_url,
        "imagedrift-cli",
        credentials=values.nats_creds,
        ca=values.nats_ca,
        tls_first=values.nats_tls_first,
        within_s=CONNECT_WITHIN_S,
    ) as connection:
        yield connection


@asynccontextmanager
async def preferring_shared(values: SharedSettings, direct: Asks) -> AsyncIterator[Asks]:
    """Ask the fleet's resolvers where they are configured, else only `direct`. Raises `NoBus`."""
    async with connected(values) as connection:
        yield _Shared(connection, direct) if connection else direct


class _Shared:
    def __init__(self, connection: Bus, direct: Asks) -> None:
        self._bus = connection
        self._direct = direct

    async def ask(self, question: Question) -> AnyAnswer:
        match question:
            case Resolve():
                known = await self._cached_answer(question)
                return known or await self._direct.ask(question)
            case Describe():
                return await self._direct.ask(question)

    async def _cached_answer(self, question: Resolve) -> Answer | None:
        name = f"{question.registry}/{question.repository}:{question.tag}"
        try:
            payload = await self._bus.request(
                subjects.RESOLVER_LOOKUP, name.encode(), timeout=ANSWER_WITHIN_S
            )
            answer = codec.decode(payload, Answer)
        except (BusError, Malformed):  # nobody has asked for it, or it is not for us
            return None
        return answer if answer.checked_at >= question.fresh_since else None
