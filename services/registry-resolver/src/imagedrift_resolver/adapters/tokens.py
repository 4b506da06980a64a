"""Tokens that are in use, each got once: whoever needs one that is being got waits for it."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Final

from msgspec.structs import replace

from imagedrift_resolver.adapters.http_client import HttpClient
from imagedrift_resolver.adapters.refusals import Refusals, Shown
from imagedrift_resolver.core.bounded_map import Bound, BoundedMap
from imagedrift_resolver.core.conversation import Authorise
from imagedrift_resolver.core.credential import Anonymous, Credential
from imagedrift_resolver.core.reply import NoResponse, Reply
from imagedrift_resolver.core.token import TOKEN_CAP, Grant, Token, read_token, request_for
from imagedrift_runtime import metrics
from imagedrift_schemas.v1 import Failure

MOST: Final = Bound(10_000, 32 * 1024 * 1024)
_REFUSED: Final = frozenset({400, 401})
USER_AGENT: Final = "imagedrift"

TokenKey = tuple[Grant, Credential]
"""Two credentials never share a token, even by one name."""


class Tokens:
    """A cache of tokens by grant and credential."""

    def __init__(self, http: HttpClient, refusals: Refusals, now: Callable[[], datetime]) -> None:
        self._http = http
        self._refusals = refusals
        self._now = now
        self._tokens: BoundedMap[TokenKey, Token] = BoundedMap(MOST)
        self._getting: dict[TokenKey, asyncio.Task[Token | Failure]] = {}

    def has(self, wanted: Authorise) -> bool:
        """Tell whether a token is at hand, so that none has to be asked for."""
        known = self._tokens.get((wanted.grant, wanted.credential))
        is_refused = wanted.anew or wanted.refused is not None
        return known is not None and not is_refused and self._now() < known.use_until

    async def get(self, wanted: Authorise) -> Token | Failure:
        """Return a token that still holds for a while, or why there is none."""
        key = (wanted.grant, wanted.credential)
        if wanted.anew:
            return await self._get(wanted, key)
        known = self._tokens.get(key)
        if known and wanted.refused and wanted.refused.reveal() == f"Bearer {known.value.reveal()}":
            known = self._tokens.pop(key) and None
        if known and self._now() < known.use_until:
            return known
        task = self._getting.get(key)
        if task is not None:
            got = await asyncio.shield(task)
            return replace(got, is_shared=True) if isinstance(got, Token) else got
        task = asyncio.create_task(self._get(wanted, key))
        self._getting[key] = task
        task.add_done_callback(lambda _: self._getting.pop(key, None))
        return await asyncio.shield(task)

    async def _get(self, wanted: Authorise, key: TokenKey) -> Token | Failure:
        asked_at = self._now()
        is_shown = not isinstance(wanted.credential, Anonymous)
        reply = await (self._show(wanted) if is_shown else self._ask(wanted))
        if not isinstance(reply, Reply | NoResponse):
            return reply
        token = read_token(reply, asked_at, shown=is_shown)
        metrics.tokens.add(outcome="got" if isinstance(token, Token) else "failed")
        if isinstance(token, Token):
            told = (token.value.reveal(), wanted.grant.realm.target, wanted.grant.scope)
            self._tokens.put(key, replace(token, is_shared=True), 1000 + sum(map(len, told)))
        return token

    async def _show(self, wanted: Authorise) -> Shown:
        """Ask with the credential, unless it rests."""
        where = (wanted.grant.realm.origin, wanted.grant.realm.target.partition("?")[0])
        return await self._refusals.show(
            where, wanted.credential, lambda: self._ask(wanted), _REFUSED
        )

    async def _ask(self, wanted: Authorise) -> Reply | NoResponse:
        request = request_for(wanted.grant, wanted.credential)
        headers = [("Host", request.url.authority), ("User-Agent", USER_AGENT)]
        headers += [("Accept", "application/json"), ("Accept-Encoding", "identity")]
        if request.authorization:
            headers.append(("Authorization", request.authorization.reveal()))
        content = None
        if request.form:
            headers.append(("Content-Type", "application/x-www-form-urlencoded"))
            content = request.form.reveal().encode()
        return await self._http.send(
            request.method,
            request.url,
            headers,
            cap=TOKEN_CAP,
            trusted=wanted.trusted,
            content=content,
        )
