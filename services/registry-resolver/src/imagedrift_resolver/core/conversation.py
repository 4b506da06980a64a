"""The whole exchange with a registry about one question, without any input or output.

A conversation is a generator: it yields what it wants done (`Send`, `Authorise`), is sent what
came of that, and returns what it found out. So every exchange can be played by hand in a test,
whatever a registry may answer.

    HEAD ─401─▶ token ─▶ HEAD ─307─▶ HEAD elsewhere ─200─▶ Found
                                                    └no digest, not done, 404─▶ GET ─▶ hash

A HEAD's 404 is confirmed by a GET, and so is every status by which servers say that they do not do
HEAD. Docker Hub's own servers alone are believed without: each of their GETs is a pull.
"""

from datetime import datetime
from typing import Final

from msgspec.structs import replace

from imagedrift_resolver.core import answer
from imagedrift_resolver.core.access import Request, let_in
from imagedrift_resolver.core.manifest import MANIFEST_CAP
from imagedrift_resolver.core.registry_profile import RegistryProfile
from imagedrift_resolver.core.reply import NoResponse, Reply
from imagedrift_resolver.core.site import MOST_HOPS, REPOSITORY, Site, redirect
from imagedrift_resolver.core.steps import (
    Authorise,
    Conversation,
    ConversationStep,
    Got,
    Method,
    Send,
)
from imagedrift_resolver.core.url import Url
from imagedrift_schemas.v1 import (
    Failure,
    Found,
    Invalid,
    Outcome,
    Refused,
    Unreachable,
    Unsupported,
)

__all__ = [
    "Authorise",
    "Conversation",
    "ConversationStep",
    "Method",
    "RegistryProfile",
    "Send",
    "fetch",
    "resolve",
]

_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_NO_HEAD: Final = frozenset({400, 403, 405, 406, 501})
"""A server that answers this to HEAD and finds the tag by GET does not do HEAD."""
_ASKED_AGAIN: Final = _NO_HEAD | {200, 404, 410, 415, 500}
"""After which a GET may tell more. The rest is about the host, or about who asks."""


def resolve(
    site: Site, profile: RegistryProfile, repository: str, tag: str, now: datetime
) -> Conversation[Outcome]:
    """Find the digest that a tag points to."""
    url = site.url(repository, "manifests", tag)
    if not site.is_hub and not profile.does_head(repository):
        got, profile = yield from _get(site, profile, url, now)
        return got, profile.without_head(repository, found=isinstance(got, Found))
    reply, profile = yield from fetch(site, profile, "HEAD", url, 0)
    if not isinstance(reply, Reply):
        return reply, profile
    outcome = answer.of_head(reply, now)
    if isinstance(outcome, Found):
        return outcome, profile.with_head(repository, in_vain=False)
    if site.is_hub:  # its GETs are pulls, and kept for `Describe`
        return outcome or Unsupported(reason="the registry tells no digest on HEAD"), profile
    if reply.status not in _ASKED_AGAIN or (reply.status == 200 and outcome):
        return outcome or answer.failure(reply, now), profile
    got, profile = yield from _get(site, profile, url, now)
    if isinstance(got, Found):  # The HEAD was in vain; once may be a push in between.
        certain = reply.status in _NO_HEAD
        profile = profile.with_head(repository, in_vain=True, certain=certain)
    return got, profile


def _get(site: Site, profile: RegistryProfile, url: Url, now: datetime) -> Conversation[Outcome]:
    reply, profile = yield from fetch(site, profile, "GET", url, MANIFEST_CAP)
    return (answer.of_get(reply, now) if isinstance(reply, Reply) else reply), profile


def fetch(
    site: Site, profile: RegistryProfile, method: Method, url: Url, cap: int, *, spare: bool = False
) -> Conversation[Reply | Failure]:
    """Make a request, and those that it needs: tokens, redirects. The reply is of none of those.

    A `spare` request is made only while more than half of the registry's limit is left; else the
    result is `Limited`.
    """
    path = REPOSITORY.match(url.target)
    request = Request(method, url, path[1] if path else "", cap, spare)
    for _ in range(MOST_HOPS + 1):
        got: Got
        got, profile = yield from let_in(site, profile, request)
        if isinstance(got, NoResponse):
            kind = Refused if got.kind == "forbidden" else Unreachable
            return kind(reason=got.text), profile
        if not isinstance(got, Reply) or got.status not in _REDIRECTS:
            return got, profile
        target = redirect(site, request.url, got.first("location"))
        if not isinstance(target, Url):
            return target, profile
        request = replace(request, url=target)
    return Invalid(reason=f"more than {MOST_HOPS} redirects"), profile
