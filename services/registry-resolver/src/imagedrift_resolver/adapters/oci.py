"""Registries, asked over HTTP: drives the conversations of `core` and nothing else.

The first conversation with a registry is held alone: what it teaches (where tokens come from,
whether HEAD works) spares the others a request each.
"""

import asyncio
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final, TypeVar

from imagedrift_resolver.adapters.http import Http
from imagedrift_resolver.adapters.tokens import USER_AGENT, Tokens
from imagedrift_resolver.core.answer import failure
from imagedrift_resolver.core.conversation import Authorise, Conversation, Manners, Send, resolve
from imagedrift_resolver.core.description import Children, Description, describe
from imagedrift_resolver.core.manifest import ACCEPT
from imagedrift_resolver.core.reply import Reply
from imagedrift_resolver.core.site import Site
from imagedrift_resolver.gate import Gate
from imagedrift_runtime import metrics
from imagedrift_schemas.v1 import Describe, Failure, Limited, Outcome, Resolve

T = TypeVar("T")
MOST_REGISTRIES: Final = 10_000


class Registries:
    """Every registry that was asked, and what was learnt of its ways."""

    def __init__(self, http: Http, now: Callable[[], datetime]) -> None:
        self._http = http
        self._now = now
        self._tokens = Tokens(http, now)
        self._known: dict[Site, _Acquaintance] = {}

    async def resolve(self, site: Site, question: Resolve, gate: Gate) -> Outcome:
        """Find out what a tag points to."""

        def talk(manners: Manners) -> Conversation[Outcome]:
            return resolve(site, manners, question.repository, question.tag, self._now())

        return await self._hold(site, gate, talk)

    async def describe(
        self, site: Site, question: Describe, known: Children, gate: Gate
    ) -> Description | Failure:
        """Find out what is inside a digest, of which the children may be known in part."""

        def talk(manners: Manners) -> Conversation[Description]:
            return describe(site, manners, question, known, self._now())

        return await self._hold(site, gate, talk)

    async def _hold(
        self, site: Site, gate: Gate, talk: Callable[[Manners], Conversation[T]]
    ) -> T | Failure:
        known = self._known.get(site)
        if known is None:
            if len(self._known) >= MOST_REGISTRIES:
                self._known.clear()
            known = self._known.setdefault(site, _Acquaintance())
        if known.is_met():
            return await self._converse(gate, known, talk(known.manners))
        async with known.first:
            if not known.is_met():
                result = await self._converse(gate, known, talk(known.manners))
                known.met = True
                return result
        return await self._converse(gate, known, talk(known.manners))

    async def _converse(
        self, gate: Gate, known: "_Acquaintance", conversation: Conversation[T]
    ) -> T | Failure:
        said: Any = None
        while True:
            try:
                step = conversation.send(said)
            except StopIteration as end:
                result, learnt = end.value
                known.manners = known.manners.joined(learnt)
                return result  # type: ignore[no-any-return]  # a generator's value is untyped
            if isinstance(step, Authorise):
                said = await self._tokens.get(step)
                if isinstance(said, Limited):
                    await gate.limited(said)
                continue
            if step.own and (refused := await gate.before(step.method)):
                conversation.close()
                return refused
            said = await self._send(step)
            if isinstance(said, Reply):
                await self._learn(gate, step, said)

    async def _learn(self, gate: Gate, step: Send, reply: Reply) -> None:
        """Let the gate learn. Of whom a redirect led to only that its limit is used up."""
        if step.own:
            await gate.observe(reply, step.method)
        elif isinstance(outcome := failure(reply, self._now()), Limited):
            await gate.limited(outcome)

    async def _send(self, step: Send) -> Any:
        headers = [
            ("Host", step.url.authority),
            ("User-Agent", USER_AGENT),
            ("Accept", ACCEPT),
            ("Accept-Encoding", "identity"),
        ]
        if step.authorization:
            headers.append(("Authorization", step.authorization.reveal()))
        began = time.monotonic()
        got = await self._http.send(
            step.method, step.url, headers, cap=step.cap, trusted=step.trusted
        )
        status = str(got.status) if isinstance(got, Reply) else "none"
        metrics.registry_requests.add(method=step.method, status=status)
        metrics.registry_seconds.observe(time.monotonic() - began)
        return got


class _Acquaintance:
    """What is remembered of one site."""

    def __init__(self) -> None:
        self.manners = Manners()
        self.met = False
        self.first = asyncio.Lock()

    def is_met(self) -> bool:
        """Tell whether a conversation has come to an end."""
        return self.met
