"""Tokens that are in use, each got once: whoever needs one that is being got waits for it."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime
from typing import Final

from imagedrift_resolver.adapters.http import Http
from imagedrift_resolver.core.conversation import Authorise
from imagedrift_resolver.core.token import TOKEN_CAP, Grant, Token, read_token, request_for
from imagedrift_runtime import metrics
from imagedrift_schemas.v1 import Failure

MOST: Final = 10_000
USER_AGENT: Final = "imagedrift"


class Tokens:
    """A cache of tokens by what they are for."""

    def __init__(self, http: Http, now: Callable[[], datetime]) -> None:
        self._http = http
        self._now = now
        self._tokens: OrderedDict[Grant, Token] = OrderedDict()
        self._getting: dict[Grant, asyncio.Task[Token | Failure]] = {}

    async def get(self, wanted: Authorise) -> Token | Failure:
        """Return a token that still holds for a while, or why there is none."""
        known = self._tokens.get(wanted.grant)
        if known and wanted.refused and wanted.refused.reveal() == f"Bearer {known.value.reveal()}":
            known = self._tokens.pop(wanted.grant, None) and None
        if known and self._now() < known.use_until:
            self._tokens.move_to_end(wanted.grant)
            return known
        task = self._getting.get(wanted.grant)
        if task is None:
            task = asyncio.create_task(self._get(wanted))
            self._getting[wanted.grant] = task
            task.add_done_callback(lambda _: self._getting.pop(wanted.grant, None))
        return await asyncio.shield(task)

    async def _get(self, wanted: Authorise) -> Token | Failure:
        request = request_for(wanted.grant, wanted.credential)
        headers = [("Host", request.url.authority), ("User-Agent", USER_AGENT)]
        headers += [("Accept", "application/json"), ("Accept-Encoding", "identity")]
        if request.authorization:
            headers.append(("Authorization", request.authorization.reveal()))
        content = None
        if request.form:
            headers.append(("Content-Type", "application/x-www-form-urlencoded"))
            content = request.form.reveal().encode()
        asked_at = self._now()
        reply = await self._http.send(
            request.method,
            request.url,
            headers,
            cap=TOKEN_CAP,
            trusted=wanted.trusted,
            content=content,
        )
        token = read_token(reply, asked_at)
        metrics.tokens.add(outcome="got" if isinstance(token, Token) else "failed")
        if isinstance(token, Token):
            self._tokens[wanted.grant] = token
            if len(self._tokens) > MOST:
                self._tokens.popitem(last=False)
        return token
