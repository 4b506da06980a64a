"""Registries, asked over HTTP: holds the conversations of `core`, and does what their steps say."""

from collections.abc import Callable
from typing import Any, TypeVar

from msgspec.structs import replace

from imagedrift_resolver.adapters.http_client import HttpClient
from imagedrift_resolver.adapters.refusals import Refusals
from imagedrift_resolver.adapters.registry_requests import RegistryRequests
from imagedrift_resolver.adapters.registry_session import RegistrySession, RegistrySessions
from imagedrift_resolver.adapters.tokens import Tokens
from imagedrift_resolver.admission import NotAdmitted
from imagedrift_resolver.core.answer import (
    ERROR_CAP,
    failure,
    has_error_document,
    is_registrys_word,
)
from imagedrift_resolver.core.conversation import (
    Authorise,
    Conversation,
    ConversationStep,
    RegistryProfile,
    Send,
    resolve,
)
from imagedrift_resolver.core.description import Children, describe
from imagedrift_resolver.core.finding import Finding, failure_of
from imagedrift_resolver.core.listing import Listing, list_tags
from imagedrift_resolver.core.reply import NoResponse, Reply
from imagedrift_resolver.core.site import API_ROOT, Site
from imagedrift_resolver.core.steps import Elapsed
from imagedrift_resolver.core.token import Token
from imagedrift_resolver.list_limiter import ListLimiter
from imagedrift_resolver.other_hosts import OtherHosts
from imagedrift_resolver.rate_limiter import RegistryLimiter
from imagedrift_runtime import metrics
from imagedrift_runtime.clock import Clock
from imagedrift_runtime.logs import get_logger
from imagedrift_schemas import subjects
from imagedrift_schemas.v1 import (
    Describe,
    Failure,
    Limited,
    List,
    Question,
    Resolve,
    Unreachable,
)

log = get_logger()

Limiter = RegistryLimiter | ListLimiter
T = TypeVar("T")


class OciClient:
    """Every registry that was asked, and the profile that each showed."""

    def __init__(self, http: HttpClient, others: OtherHosts, clock: Clock) -> None:
        self._clock = clock
        self._others = others
        refusals = Refusals(clock)
        self._tokens = Tokens(http, refusals, clock.now)
        self._requests = RegistryRequests(http, refusals, clock)
        self._sessions = RegistrySessions()

    async def ask(
        self, site: Site, question: Question, known: Children, limiter: RegistryLimiter
    ) -> Finding:
        """Ask a registry. `known` are the children that an earlier description has."""
        match question:
            case Resolve():
                return await self._hold(
                    site,
                    limiter,
                    question,
                    lambda profile: resolve(
                        site, profile, question.repository, question.tag, self._clock.now()
                    ),
                )
            case Describe():
                return await self._hold(
                    site,
                    limiter,
                    question,
                    lambda profile: describe(site, profile, question, known, self._clock.now()),
                )

    async def list_tags(
        self, site: Site, question: List, limiter: ListLimiter
    ) -> Listing | Failure:
        """Ask a registry for the tags of a repository.

        The first conversation with a registry is not waited for, nor held alone: a list is long.
        """
        found = await self._converse(
            site,
            limiter,
            subjects.answer_key(question),
            self._sessions.of(site),
            lambda profile: list_tags(site, profile, question.repository, self._clock.now()),
        )
        if isinstance(found, Listing):
            _count(question, found)
        return found

    async def _hold(
        self,
        site: Site,
        limiter: RegistryLimiter,
        question: Question,
        talk: Callable[[RegistryProfile], Conversation[T]],
    ) -> T | Failure:
        session = self._sessions.of(site)
        async with session.conversation():
            return await self._converse(site, limiter, subjects.answer_key(question), session, talk)

    async def _converse(
        self,
        site: Site,
        limiter: Limiter,
        key: str,
        session: RegistrySession,
        talk: Callable[[RegistryProfile], Conversation[T]],
    ) -> T | Failure:
        base, began = session.profile, self._clock.monotonic()
        conversation = talk(base)
        result: Any = None
        answered: Reply | None = None
        while True:
            try:
                step = conversation.send(result)
            except StopIteration as end:
                found, learnt = end.value
                profile = session.profile.joined(base, learnt)
                session.learn(profile, has_answered=limiter.has_answered)
                if answered and isinstance(failure_of(found), Unreachable):
                    await self._note_error(site, limiter, key, answered)
                return found  # type: ignore[no-any-return]  # a generator's value is untyped
            try:
                result = await self._do(site, limiter, step, began)
            except NotAdmitted as refused:
                if not (isinstance(step, Send) and step.spare):
                    conversation.close()
                    return refused.failure
                result = refused.failure
            is_own = isinstance(step, Send) and step.own
            answered = result if is_own and isinstance(result, Reply) else None

    async def _do(self, site: Site, limiter: Limiter, step: ConversationStep, began: float) -> Any:
        """Do a step. Raises `NotAdmitted` where a request must not be made."""
        match step:
            case Elapsed():
                return self._clock.monotonic() - began
            case Authorise():
                token = await self._token(site, step)
                if isinstance(token, Limited):
                    await limiter.observe_limit(token)
                return token
            case Send(own=True):
                async with limiter.turn(step.counts_as, spare=step.spare):
                    got = await self._requests.show(step)
                if isinstance(got, Reply):
                    await limiter.observe(got, step.counts_as)
                return got
            case Send():
                return await self._send_elsewhere(site, limiter, step)

    async def _send_elsewhere(self, site: Site, limiter: Limiter, step: Send) -> Any:
        """Make a request where a redirect leads: of that host a limit that is used up is learnt."""
        async with self._others.turn(site, step.url, step.counts_as) as other:
            got = await self._requests.show(step)
        if isinstance(got, Reply):
            if other:
                await other.observe(got, step.counts_as)
            if isinstance(outcome := failure(got, self._clock.now()), Limited):
                await limiter.observe_limit(outcome)
        return got

    async def _token(self, site: Site, step: Authorise) -> Token | Failure:
        """Get a token, of another registry's endpoint only when it is its turn."""
        realm = step.grant.realm
        if site.may_see_credential(realm) or self._tokens.has(step):
            return await self._tokens.get(step)
        async with self._others.turn(site, realm, "HEAD"):
            return await self._tokens.get(step)

    async def _note_error(self, site: Site, limiter: Limiter, key: str, reply: Reply) -> None:
        """Note that a question was answered with an error, and whether the host is well.

        Its API root tells: a registry that is broken as a whole answers nothing there either.
        A list says nothing of it.
        """
        if isinstance(limiter, ListLimiter):
            return
        is_documented = has_error_document(reply)
        if not limiter.health.doubts(key, is_documented=is_documented):
            limiter.health.errored(key)
            return
        url = replace(site.api, target=API_ROOT)
        step = Send("GET", url, None, ERROR_CAP, site.trusts(url.host), own=True)
        if await limiter.wait_turn(step.method):
            limiter.health.errored(key)
            return
        root = await self._requests.send(step)
        if isinstance(root, Reply):
            await limiter.observe(root, step.counts_as)
        limiter.health.errored(key, is_well=_is_well(root, is_documented))


def _count(question: List, found: Listing) -> None:
    metrics.lists.add(end=found.truncated or "whole")
    metrics.list_pages.add(found.tags.pages)
    if found.truncated:
        log.info(
            "list.stopped",
            registry=question.registry,
            repository=question.repository,
            reason=found.truncated,
            error=found.failure.reason if found.failure else "",
            pages=found.tags.pages,
        )


def _is_well(root: Reply | NoResponse, is_documented: bool) -> bool:
    """Tell whether the API root's answer shows a registry that works.

    Where the error itself was a registry's, anything will do that is no error of the server.
    """
    if not isinstance(root, Reply) or root.status >= 500:
        return False
    return is_documented or root.status in (200, 401) or is_registrys_word(root)
