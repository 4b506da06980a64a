"""Tokens that are in use, each got once: whoever needs one that is being got waits for it.

A credential that a token endpoint refuses is not shown again and again: accounts are locked and
addresses banned for that (Docker Hub, GitLab). After `MOST_REFUSALS` in a row it rests.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime
from typing import Final

from imagedrift_resolver.adapters.http import Http
from imagedrift_resolver.core.conversation import Authorise
from imagedrift_resolver.core.credential import Anonymous, Credential
from imagedrift_resolver.core.reply import Reply, Trouble
from imagedrift_resolver.core.token import TOKEN_CAP, Grant, Token, read_token, request_for
from imagedrift_resolver.core.url import Url
from imagedrift_runtime import metrics
from imagedrift_schemas.v1 import Denied, Failure

MOST: Final = 10_000
MOST_REFUSALS: Final = 3
REST_S: Final = 300.0
USER_AGENT: Final = "imagedrift"

Key = tuple[Grant, Credential]
"""Two credentials never share a token, whatever their names."""


class Tokens:
    """A cache of tokens by what they are for."""

    def __init__(self, http: Http, now: Callable[[], datetime]) -> None:
        self._http = http
        self._now = now
        self._tokens: OrderedDict[Key, Token] = OrderedDict()
        self._getting: dict[Key, asyncio.Task[Token | Failure]] = {}
        self._refusals: dict[tuple[Url, Credential], tuple[int, float]] = {}

    async def get(self, wanted: Authorise) -> Token | Failure:
        """Return a token that still holds for a while, or why there is none."""
        key = (wanted.grant, wanted.credential)
        known = self._tokens.get(key)
        if known and wanted.refused and wanted.refused.reveal() == f"Bearer {known.value.reveal()}":
            known = self._tokens.pop(key, None) and None
        if known and self._now() < known.use_until:
            self._tokens.move_to_end(key)
            return known
        task = self._getting.get(key)
        if task is None:
            task = asyncio.create_task(self._get(wanted, key))
            self._getting[key] = task
            task.add_done_callback(lambda _: self._getting.pop(key, None))
        return await asyncio.shield(task)

    async def _get(self, wanted: Authorise, key: Key) -> Token | Failure:
        if rests := self._rests(wanted):
            return rests
        asked_at = self._now()
        reply = await self._ask(wanted)
        shown = not isinstance(wanted.credential, Anonymous)
        token = read_token(reply, asked_at, shown=shown)
        metrics.tokens.add(outcome="got" if isinstance(token, Token) else "failed")
        self._note(wanted, reply)
        if isinstance(token, Token):
            self._tokens[key] = token
            if len(self._tokens) > MOST:
                self._tokens.popitem(last=False)
        return token

    async def _ask(self, wanted: Authorise) -> Reply | Trouble:
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

    def _rests(self, wanted: Authorise) -> Denied | None:
        """Return a denial while a credential that was refused is not shown."""
        count, until = self._refusals.get((wanted.grant.realm, wanted.credential), (0, 0.0))
        if count < MOST_REFUSALS or time.monotonic() >= until:
            return None
        return Denied(
            reason=f"token endpoint: refused this credential {count} times in a row; it is not "
            f"shown again for up to {REST_S / 60:.0f} minutes"
        )

    def _note(self, wanted: Authorise, reply: Reply | Trouble) -> None:
        """Count refusals of a credential; any token that it gets ends them."""
        if isinstance(wanted.credential, Anonymous) or isinstance(reply, Trouble):
            return
        who = (wanted.grant.realm, wanted.credential)
        if reply.status == 200:
            self._refusals.pop(who, None)
        elif reply.status in (400, 401):
            count = self._refusals.get(who, (0, 0.0))[0] + 1
            self._refusals[who] = (count, time.monotonic() + REST_S)
