"""Shows credentials, and counts their refusals: registries and token endpoints alike."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Final

from imagedrift_resolver.core import refusal
from imagedrift_resolver.core.bounded_map import Bound, BoundedMap
from imagedrift_resolver.core.credential import Credential
from imagedrift_resolver.core.refusal import Standing
from imagedrift_resolver.core.reply import NoResponse, Reply
from imagedrift_resolver.core.url import Origin
from imagedrift_runtime.clock import Clock
from imagedrift_schemas.v1 import Denied, Limited

MOST: Final = Bound(10_000, 16 * 1024 * 1024)
TURN_S: Final = 10.0
"""The seconds that a request waits for the outcome of the same credential in another one."""

Where = tuple[Origin, str]
"""A registry's origin, or a token endpoint's and its path."""
Shown = Reply | NoResponse | Denied | Limited


class Refusals:
    """How each credential has fared where it was shown. A changed secret is another credential."""

    def __init__(self, clock: Clock, turn_s: float = TURN_S) -> None:
        self._clock = clock
        self._turn_s = turn_s
        self._records: BoundedMap[tuple[Where, Credential], CredentialRecord] = BoundedMap(
            MOST, is_held=lambda record: record.protects(clock.monotonic())
        )

    async def show(
        self,
        where: Where,
        credential: Credential,
        send: Callable[[], Awaitable[Reply | NoResponse]],
        refused: frozenset[int] = frozenset({401}),
        is_known: Callable[[], Awaitable[bool]] | None = None,
    ) -> Shown:
        """Make a request that shows a credential, unless that rests.

        `is_known` finds out, before it rests, whether it is good and opens other things.
        """
        record = self.record(where, credential)
        if record.is_accepted():
            return await self._noted(record, await send(), refused, is_known)
        try:
            async with asyncio.timeout(self._turn_s):
                await record.turn.acquire()
        except TimeoutError:
            until = self._clock.now() + timedelta(seconds=self._turn_s)
            return Limited(
                reason=f"{_name_place(where)} is slow to accept a credential", until=until
            )
        try:
            if refusal.rests(record.standing, self._clock.monotonic()):
                return Denied(reason=_rest(where, credential, record.standing))
            if not record.is_accepted():
                return await self._noted(record, await send(), refused, is_known)
        finally:
            record.turn.release()
        return await self._noted(record, await send(), refused, is_known)

    @property
    def size(self) -> int:
        """About how many bytes are kept."""
        return self._records.size

    def __len__(self) -> int:
        return len(self._records)

    def record(self, where: Where, credential: Credential) -> "CredentialRecord":
        """Return how a credential has fared there."""
        key = (where, credential)
        record = self._records.get(key)
        if record is None:
            record = CredentialRecord()
            self._records.put(key, record, 2000 + len(where[1]))
        return record

    async def _noted(
        self,
        record: "CredentialRecord",
        got: Reply | NoResponse,
        refused: frozenset[int],
        is_known: Callable[[], Awaitable[bool]] | None,
    ) -> Reply | NoResponse:
        if isinstance(got, Reply):
            if got.status in refused:
                record.standing = refusal.refused(record.standing, self._clock.monotonic())
                last = record.standing.refusals == refusal.MOST_REFUSALS
                if last and is_known and await is_known():
                    record.standing = refusal.accepted(record.standing)
            elif 200 <= got.status < 400:
                record.standing = refusal.accepted(record.standing)
        return got


class CredentialRecord:
    """How one credential has fared at one registry or token endpoint."""

    def __init__(self) -> None:
        self.standing = Standing()
        self.turn = asyncio.Lock()

    def protects(self, now: float) -> bool:
        """Tell whether it keeps a credential from being shown in vain."""
        return self.turn.locked() or refusal.rests(self.standing, now)

    def is_accepted(self) -> bool:
        """Tell whether it was accepted last."""
        return self.standing.is_accepted


def _name_place(where: Where) -> str:
    (_, host, _), path = where
    return f"{host}{path}"


def _rest(where: Where, credential: Credential, standing: Standing) -> str:
    return (
        f"{_name_place(where)} has refused this credential ({credential.name}) "
        f"{standing.refusals} times in a row; it is not shown again for up to "
        f"{refusal.REST_S / 60:.0f} minutes"
    )
