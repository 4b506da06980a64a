"""How one request is let in: with the way that is known, else bare, else as a challenge says.

    known way ──works──▶ reply
        └─fails─▶ renew its token ──fails─▶ forget it ─▶ bare ──works──▶ reply
                                                          └─refused─▶ challenge ─▶ way ─▶ reply

- A way that failed is not tried again in the same request: what its failure said is the result.
- The answer to who showed nothing is not the registry's word while a credential is at hand. A 403,
  a 404 or a 401 without a challenge then leads to the front door (`GET /v2/`), which every
  registry guards if it guards anything (containerd/containerd#3291). Its challenge is answered,
  and the request made again.
- A registry that refuses so quietly would do the same to a credential that has ended. There a 403
  or 404 counts once the front door has accepted what was shown.
- A 403 to a token may mean that it has ended: it is renewed once in a conversation.
"""

from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from imagedrift_resolver.core.answer import ERROR_CAP
from imagedrift_resolver.core.challenge import parse_challenges
from imagedrift_resolver.core.credential import Anonymous, Credential, Secret
from imagedrift_resolver.core.manners import DOOR_USES, Manners, ProtectionSpace
from imagedrift_resolver.core.reply import NoResponse, Reply
from imagedrift_resolver.core.site import (
    FRONT_DOOR,
    REPOSITORY,
    Bearer,
    Header,
    Site,
    Way,
    can_be_answered,
    denial,
    way_in,
    why_none,
)
from imagedrift_resolver.core.steps import Authorise, Conversation, Exchange, Got, Method, Send
from imagedrift_resolver.core.token import Token, scope_of
from imagedrift_resolver.core.url import Url
from imagedrift_schemas.v1 import Denied, Failure, Limited, Refused, Unreachable

MOST_TOKENS: Final = 3
_NOTHING: Final = Anonymous()


class Request(Struct, frozen=True):
    """One request of a conversation, to wherever it has been redirected."""

    method: Method
    url: Url
    repository: str
    cap: int
    spare: bool = False

    @property
    def space(self) -> ProtectionSpace:
        """Return what a way in is learnt for."""
        path = REPOSITORY.match(self.url.target)
        return self.url.origin, path[1] if path else self.url.target.rpartition("/")[0]

    @property
    def scope(self) -> str:
        """Return the scope of a token for it."""
        path = REPOSITORY.match(self.url.target)
        return scope_of(path[1] if path else self.repository)


def let_in(site: Site, manners: Manners, request: Request) -> Conversation[Got]:
    """Make a request, with whatever it takes to be let in."""
    way, failed, got = _known_way(site, manners, request), None, None
    if way is not None:
        got, manners = yield from _show(site, manners, request, way, is_remembered=True)
        if not _is_turned_away(got, way, request, manners):
            return got, manners
        manners, failed = manners.without_way(request.space), way
    bare: Got = yield _send(site, request)
    if not isinstance(bare, Reply) or bare.status not in (401, 403, 404):
        return bare, manners
    found, manners = yield from _way_in(site, manners, request, bare)
    if found is None:
        return _told(site, request, bare, None), manners
    if not isinstance(found, Way):
        return found, manners
    if got is not None and failed is not None and _is_same(found, failed):
        return got, _kept(manners, request, found, got)
    manners = manners.with_way(request.space, found, instead_of=failed)
    got, manners = yield from _show(site, manners, request, found, is_remembered=False)
    if isinstance(got, Reply) and got.status == 403:
        return got, manners.with_tested(request.space)
    if _is_turned_away(got, found, request, manners):
        manners = manners.without_way(request.space)
    return got, manners


def _known_way(site: Site, manners: Manners, request: Request) -> Way | None:
    """Return the way that is known, unless it shows what is for another path of the registry."""
    way = manners.way_to(request.space)
    if isinstance(way, Header) and way.credential != site.shown_at(request.url):
        return None
    return way


def _kept(manners: Manners, request: Request, way: Way, got: Got) -> Manners:
    """Keep a way that a 403 has cast a doubt on: it is the only one, so it is not at fault."""
    if not isinstance(got, Reply) or got.status != 403:
        return manners
    return manners.with_way(request.space, way).with_tested(request.space)


def _show(
    site: Site, manners: Manners, request: Request, way: Way, *, is_remembered: bool
) -> Conversation[Got]:
    """Make a request in a known way; a token that has ended is renewed."""
    if isinstance(way, Header):
        got = yield from _with(site, request, way, way.value, way.credential)
        return got, manners
    credential = site.shown_at(request.url)
    trusted, grant = site.trusts(way.realm.host), way.grant(request.scope)
    refused: Secret | None = None
    for number in range(1, MOST_TOKENS + 1):
        token: Token | Failure = yield Authorise(
            grant, trusted, refused, credential, anew=number == MOST_TOKENS
        )
        if isinstance(token, Denied):
            return replace(token, reason=f"{token.reason}{why_none(credential)}"), manners
        if not isinstance(token, Token):
            return token, manners
        refused = Secret(f"Bearer {token.value.reveal()}")
        got = yield from _with(site, request, way, refused, Anonymous())
        may_have_ended = token.is_shared or (is_remembered and number == 1)
        if not may_have_ended or not _is_turned_away(got, way, request, manners):
            break
    return got, manners


def _with(
    site: Site, request: Request, way: Way, value: Secret, credential: Credential
) -> Exchange[Got]:
    """Make a request that shows something; what a quiet registry says of that is asked for."""
    got: Got = yield _send(site, request, value, credential)
    if way.is_quiet and isinstance(got, Reply) and got.status in (403, 404):
        door: Got = yield _knock(site, request, value, credential)
        if isinstance(door, Reply) and door.status == 401:
            got = door
        elif fault := _no_word(door):
            return fault
    return _told(site, request, got, value)


def _is_turned_away(got: Got, way: Way, request: Request, manners: Manners) -> bool:
    """Tell whether a way has failed. ECR Public answers 400 to a token that has ended."""
    if isinstance(got, Reply):
        bad_token = got.status == 400 and isinstance(way, Bearer)
        untested = got.status == 403 and request.space not in manners.tested
        return got.status == 401 or bad_token or untested
    return not isinstance(got, NoResponse | Limited | Refused)


def _way_in(
    site: Site, manners: Manners, request: Request, bare: Reply
) -> Conversation[Way | Failure | None]:
    """Find out from a refusal how to be let in. None: it is the registry's word."""
    challenges = parse_challenges(bare.all("www-authenticate")) if bare.status == 401 else ()
    if not can_be_answered(challenges) and _may_hide(site, request, bare):
        found, manners = yield from _ask_front_door(site, manners, request)
        if found is not None:
            return found, manners
    if bare.status != 401:
        return None, manners
    return way_in(site, request.url, challenges), manners


def _may_hide(site: Site, request: Request, bare: Reply) -> bool:
    """Tell whether a refusal may mean that something has to be shown.

    A 403 or 404 to somebody who has nothing to show is the registry's own; a 401 still asks for
    something, if only for a token that anybody gets.
    """
    has_nothing = isinstance(site.shown_at(request.url), Anonymous)
    return site.is_own(request.url) and (bare.status == 401 or not has_nothing)


def _ask_front_door(
    site: Site, manners: Manners, request: Request
) -> Conversation[Way | Failure | None]:
    """Ask the registry's front door for its challenge. None: it asks for nothing."""
    origin = request.url.origin
    if uses := manners.doors.get(origin, 0):
        return None, (
            manners.with_door(origin, uses - 1) if uses > 1 else manners.without_doors(origin)
        )
    door: Got = yield _knock(site, request)
    if fault := _no_word(door):
        return fault, manners
    challenges = parse_challenges(door.all("www-authenticate")) if isinstance(door, Reply) else ()
    if isinstance(door, Reply) and door.status == 401 and can_be_answered(challenges):
        return way_in(site, request.url, challenges, is_quiet=True), manners
    return None, manners.with_door(origin, DOOR_USES)


def _no_word(door: Got) -> Failure | None:
    """Return why the front door told nothing, if it did not."""
    if isinstance(door, Reply):
        if door.status < 500 and door.status != 429:
            return None
        return Unreachable(
            reason=f"the registry's front door ({FRONT_DOOR}) answered {door.status}"
        )
    return Unreachable(reason=door.text) if isinstance(door, NoResponse) else door


def _is_same(one: Way, other: Way) -> bool:
    return replace(one, is_quiet=False) == replace(other, is_quiet=False)


def _knock(
    site: Site, request: Request, value: Secret | None = None, credential: Credential = _NOTHING
) -> Send:
    url = replace(request.url, target=FRONT_DOOR)
    return _send(site, replace(request, method="GET", url=url, cap=ERROR_CAP), value, credential)


def _send(
    site: Site, request: Request, value: Secret | None = None, credential: Credential = _NOTHING
) -> Send:
    return Send(
        request.method,
        request.url,
        value,
        request.cap,
        site.trusts(request.url.host),
        site.is_own(request.url),
        request.spare,
        credential,
    )


def _told(site: Site, request: Request, got: Got, value: Secret | None) -> Got:
    """Add to a refusal what was shown to get it."""
    if not isinstance(got, Reply) or got.status not in (401, 403, 404, 451):
        return got
    return replace(got, denial=denial(site, request.url, is_shown=value is not None))
