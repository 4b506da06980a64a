"""The whole exchange with a registry about one question, without any input or output.

A conversation is a generator: it yields what it wants done (`Send`, `Authorise`), is sent what
came of that, and returns what it found out. So every exchange can be played by hand in a test,
whatever a registry may answer.

    HEAD ─401─▶ token ─▶ HEAD ─307─▶ HEAD elsewhere ─200─▶ Found
                                                    └no digest─▶ GET ─▶ hash
"""

import re
from collections.abc import Generator
from datetime import datetime
from typing import Any, Final, Literal, TypeAlias, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from imagedrift_resolver.core import answer
from imagedrift_resolver.core.challenge import parse_challenges
from imagedrift_resolver.core.credential import Anonymous, Credential, Secret
from imagedrift_resolver.core.manifest import MANIFEST_CAP
from imagedrift_resolver.core.reply import Reply, Trouble
from imagedrift_resolver.core.site import (
    MOST_HOPS,
    Bearer,
    Header,
    Open,
    Site,
    Way,
    redirect,
    way_in,
)
from imagedrift_resolver.core.token import Grant, Token, scope_of
from imagedrift_resolver.core.url import Url
from imagedrift_schemas.v1 import (
    Denied,
    Failure,
    Found,
    Invalid,
    Limited,
    Missing,
    Outcome,
    Refused,
    Unreachable,
    Unsupported,
)

Head: TypeAlias = Literal["unknown", "works", "doubted", "useless"]
"""Whether a registry's HEAD tells what we ask. It is given up after twice in vain, in a row."""
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_REPOSITORY: Final = re.compile(r"/v2/(.+)/(?:manifests|blobs)/[^/]+")


class Manners(Struct, frozen=True):
    """What was learnt of a registry's ways, for the next conversation with it."""

    ways: dict[tuple[str, str, int], Way] = {}
    head: Head = "unknown"

    def with_way(self, url: Url, way: Way) -> "Manners":
        """Remember how an origin lets us in."""
        return replace(self, ways={**self.ways, url.origin: way})

    def joined(self, newer: "Manners") -> "Manners":
        """Add what another conversation has learnt meanwhile."""
        if newer is self:
            return self
        head = self.head if newer.head == "unknown" else newer.head
        return Manners({**self.ways, **newer.ways}, head)


class Send(Struct, frozen=True):
    """Make this request; send back a `Reply` or a `Trouble`."""

    method: Literal["HEAD", "GET"]
    url: Url
    authorization: Secret | None
    cap: int
    """How much of a good body may be read."""
    trusted: bool
    """Whether a private address will do."""
    own: bool
    """Whether this goes to the registry itself, and so counts against its limits."""
    spare: bool = False
    """Make it only while more than half of the registry's limit is left."""


class Authorise(Struct, frozen=True):
    """Get a token; send back a `Token` or a `Failure`. `refused` is one that no longer works."""

    grant: Grant
    trusted: bool
    refused: Secret | None = None
    credential: Credential = Anonymous()
    """What may be shown for it: nothing to whom a redirect led, whatever realm that one names."""


T = TypeVar("T")
Step: TypeAlias = Send | Authorise
Conversation: TypeAlias = Generator[Step, Any, tuple[T, Manners]]


def resolve(
    site: Site, manners: Manners, repository: str, tag: str, now: datetime
) -> Conversation[Outcome]:
    """Find out what a tag points to."""
    url = site.url(repository, "manifests", tag)
    outcome: Outcome | None = None
    refused_head = False
    if manners.head != "useless":
        reply, manners = yield from fetch(site, manners, "HEAD", url, 0)
        if not isinstance(reply, Reply):
            return reply, manners
        outcome, refused_head = answer.of_head(reply, now), reply.status == 405
        if isinstance(outcome, Found):
            known = manners.head == "works"
            return outcome, manners if known else replace(manners, head="works")
        if outcome and (not isinstance(outcome, Missing) or manners.head == "works" or site.is_hub):
            return outcome, manners
    if site.is_hub:  # its GETs are pulls, and kept for `Describe`
        return Unsupported(reason="the registry tells no digest on HEAD"), manners
    reply, manners = yield from fetch(site, manners, "GET", url, MANIFEST_CAP)
    if not isinstance(reply, Reply):
        return reply, manners
    got = answer.of_get(reply, now)
    if isinstance(got, Found) and manners.head != "useless":
        # The HEAD was in vain: no digest, or less than the truth. Once may be a push in between.
        certain = refused_head or manners.head == "doubted"
        manners = replace(manners, head="useless" if certain else "doubted")
    elif isinstance(outcome, Missing) and isinstance(got, Missing):
        manners = replace(manners, head="works")
    return got, manners


def fetch(
    site: Site,
    manners: Manners,
    method: Literal["HEAD", "GET"],
    url: Url,
    cap: int,
    *,
    spare: bool = False,
) -> Conversation[Reply | Failure]:
    """Make a request, with whatever it takes: tokens, redirects. The reply is none of those."""
    hops, renewed = 0, False
    while True:
        shown, manners = yield from _authorization(site, manners, url, None)
        if not isinstance(shown, Secret | None):
            return shown, manners
        reply = yield _send(site, method, url, shown, cap, spare)
        way = manners.ways.get(url.origin) if shown else None
        if _is_stale(reply, way) and not renewed:
            renewed = True
            manners, failure = _challenged(site, manners, url, reply)
            if failure:
                return failure, manners
            shown, manners = yield from _authorization(site, manners, url, shown)
            if not isinstance(shown, Secret | None):
                return shown, manners
            reply = yield _send(site, method, url, shown, cap, spare)
        if not isinstance(reply, Reply):
            return _no_reply(reply), manners
        if reply.status not in _REDIRECTS:
            return reply, manners
        target = redirect(site, url, reply.first("location"))
        if not isinstance(target, Url):
            return target, manners
        hops, renewed, url = hops + 1, False, target
        if hops > MOST_HOPS:
            return Invalid(reason=f"more than {MOST_HOPS} redirects"), manners


def _send(
    site: Site,
    method: Literal["HEAD", "GET"],
    url: Url,
    shown: Secret | None,
    cap: int,
    spare: bool,
) -> Send:
    return Send(method, url, shown, cap, site.trusts(url.host), site.is_own(url), spare)


def _no_reply(got: Trouble | Limited) -> Failure:
    """Say why there is no response: none came, or what is left of a limit is kept."""
    if isinstance(got, Limited):
        return got
    return (Refused if got.forbidden else Unreachable)(reason=got.reason)


def _is_stale(reply: Reply | Trouble, way: Way | None) -> bool:
    """Tell whether a (new) credential may help. ECR Public answers 400 to a token that ended."""
    return isinstance(reply, Reply) and (
        reply.status == 401 or (reply.status == 400 and isinstance(way, Bearer))
    )


def _challenged(
    site: Site, manners: Manners, url: Url, reply: Reply
) -> tuple[Manners, Failure | None]:
    """Learn from a 401 how to be let in, or return why that is not possible."""
    challenges = parse_challenges(reply.all("www-authenticate"))
    known = manners.ways.get(url.origin)
    if not challenges and isinstance(known, Bearer):
        return manners, None
    way = way_in(site, url, challenges)
    if not isinstance(way, Way):
        return manners, way
    if isinstance(way, Header) and way == known:
        return manners, Denied(reason="the registry does not accept the credential")
    return manners.with_way(url, way), None


def _authorization(
    site: Site, manners: Manners, url: Url, refused: Secret | None
) -> Conversation[Secret | Failure | None]:
    """Return the value of the `Authorization` header for a url."""
    match manners.ways.get(url.origin, Open()):
        case Open():
            return None, manners
        case Header(value):
            return value, manners
        case Bearer() as way:
            path = _REPOSITORY.match(url.target)
            if path is None:
                return None, manners
            trusted = site.trusts(way.realm.host)
            grant = way.grant(scope_of(path[1]))
            credential = site.credential if site.is_own(url) else Anonymous()
            token: Token | Failure = yield Authorise(grant, trusted, refused, credential)
            if not isinstance(token, Token):
                return token, manners
            return Secret(f"Bearer {token.value.reveal()}"), manners
