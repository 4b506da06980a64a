"""How one request is authenticated: by a known method, else bare, else as a challenge asks.

    known method ──works──▶ reply
        └─fails─▶ renew its token ──fails─▶ forget it ─▶ bare ──works──▶ reply
                                                          └─refused─▶ challenge ─▶ method ─▶ reply

- A method that failed is not tried again in the same request: its failure is the result.
- The answer to who showed nothing is not the registry's word while a credential is at hand. A 403,
  a 404 or a 401 without a challenge then leads to the API root (`GET /v2/`), which every
  registry guards if it guards anything (containerd/containerd#3291). Its challenge is answered,
  and the request made again.
- A registry that refuses so quietly would do the same to a credential that has ended. There a 403
  or 404 counts once the API root has accepted what was shown.
- A 403 to a token may mean that it has ended: it is renewed once in a conversation.
"""

from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from imagedrift_resolver.core.answer import ERROR_CAP
from imagedrift_resolver.core.challenge import parse_challenges
from imagedrift_resolver.core.credential import Anonymous, Credential, Secret
from imagedrift_resolver.core.registry_profile import (
    ROOT_USES,
    ProtectionSpace,
    RegistryProfile,
)
from imagedrift_resolver.core.reply import NoResponse, Reply
from imagedrift_resolver.core.site import (
    API_ROOT,
    REPOSITORY,
    AuthMethod,
    Bearer,
    Header,
    Site,
    auth_method_for,
    can_be_answered,
    denial,
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
        """Return the origin and the repository that an auth method is learnt for."""
        path = REPOSITORY.match(self.url.target)
        return self.url.origin, path[1] if path else self.url.target.rpartition("/")[0]

    @property
    def scope(self) -> str:
        """Return the scope of a token for it."""
        path = REPOSITORY.match(self.url.target)
        return scope_of(path[1] if path else self.repository)


def let_in(site: Site, profile: RegistryProfile, request: Request) -> Conversation[Got]:
    """Make a request, with every step of its authentication."""
    auth, failed, got = _known_auth_method(site, profile, request), None, None
    if auth is not None:
        got, profile = yield from _show(site, profile, request, auth, is_remembered=True)
        if not _is_turned_away(got, auth, request, profile):
            return got, profile
        profile, failed = profile.without_auth_method(request.space), auth
    bare: Got = yield _send(site, request)
    if not isinstance(bare, Reply) or bare.status not in (401, 403, 404):
        return bare, profile
    found, profile = yield from _find_auth_method(site, profile, request, bare)
    if found is None:
        return _note_credential(site, request, bare, None), profile
    if not isinstance(found, AuthMethod):
        return found, profile
    if got is not None and failed is not None and _is_same(found, failed):
        return got, _keep_doubtful(profile, request, found, got)
    profile = profile.with_auth_method(request.space, found, instead_of=failed)
    got, profile = yield from _show(site, profile, request, found, is_remembered=False)
    if isinstance(got, Reply) and got.status == 403:
        return got, profile.with_tested(request.space)
    if _is_turned_away(got, found, request, profile):
        profile = profile.without_auth_method(request.space)
    return got, profile


def _known_auth_method(site: Site, profile: RegistryProfile, request: Request) -> AuthMethod | None:
    """Return the known auth method, unless its credential is for another path of the registry."""
    auth = profile.auth_method_of(request.space)
    if isinstance(auth, Header) and auth.credential != site.shown_at(request.url):
        return None
    return auth


def _keep_doubtful(
    profile: RegistryProfile, request: Request, auth: AuthMethod, got: Got
) -> RegistryProfile:
    """Keep the auth method that a 403 has made doubtful: it is the only one, so not at fault."""
    if not isinstance(got, Reply) or got.status != 403:
        return profile
    return profile.with_auth_method(request.space, auth).with_tested(request.space)


def _show(
    site: Site, profile: RegistryProfile, request: Request, auth: AuthMethod, *, is_remembered: bool
) -> Conversation[Got]:
    """Make a request with a known auth method; a token that has ended is renewed."""
    if isinstance(auth, Header):
        got = yield from _with(site, request, auth, auth.value, auth.credential)
        return got, profile
    credential = site.shown_at(request.url)
    trusted, grant = site.trusts(auth.realm.host), auth.grant(request.scope)
    refused: Secret | None = None
    for number in range(1, MOST_TOKENS + 1):
        token: Token | Failure = yield Authorise(
            grant, trusted, refused, credential, anew=number == MOST_TOKENS
        )
        if isinstance(token, Denied):
            return replace(token, reason=f"{token.reason}{why_none(credential)}"), profile
        if not isinstance(token, Token):
            return token, profile
        refused = Secret(f"Bearer {token.value.reveal()}")
        got = yield from _with(site, request, auth, refused, Anonymous())
        may_have_ended = token.is_shared or (is_remembered and number == 1)
        if not may_have_ended or not _is_turned_away(got, auth, request, profile):
            break
    return got, profile


def _with(
    site: Site, request: Request, auth: AuthMethod, value: Secret, credential: Credential
) -> Exchange[Got]:
    """Make a request that shows something; a quiet registry is asked for its challenge."""
    got: Got = yield _send(site, request, value, credential)
    if auth.is_quiet and isinstance(got, Reply) and got.status in (403, 404):
        root: Got = yield _knock(site, request, value, credential)
        if isinstance(root, Reply) and root.status == 401:
            got = root
        elif fault := _no_word(root):
            return fault
    return _note_credential(site, request, got, value)


def _is_turned_away(got: Got, auth: AuthMethod, request: Request, profile: RegistryProfile) -> bool:
    """Tell whether an auth method has failed. ECR Public answers 400 to a token that has ended."""
    if isinstance(got, Reply):
        bad_token = got.status == 400 and isinstance(auth, Bearer)
        untested = got.status == 403 and request.space not in profile.tested
        return got.status == 401 or bad_token or untested
    return not isinstance(got, NoResponse | Limited | Refused)


def _find_auth_method(
    site: Site, profile: RegistryProfile, request: Request, bare: Reply
) -> Conversation[AuthMethod | Failure | None]:
    """Find out from a refusal how to be let in. None: it is the registry's word."""
    challenges = parse_challenges(bare.all("www-authenticate")) if bare.status == 401 else ()
    if not can_be_answered(challenges) and _may_hide(site, request, bare):
        found, profile = yield from _ask_api_root(site, profile, request)
        if found is not None:
            return found, profile
    if bare.status != 401:
        return None, profile
    return auth_method_for(site, request.url, challenges), profile


def _may_hide(site: Site, request: Request, bare: Reply) -> bool:
    """Tell whether a refusal may mean that something has to be shown.

    A 403 or 404 to somebody who has nothing to show is the registry's own; a 401 still asks for
    something, if only for a token that anybody gets.
    """
    has_nothing = isinstance(site.shown_at(request.url), Anonymous)
    return site.is_own(request.url) and (bare.status == 401 or not has_nothing)


def _ask_api_root(
    site: Site, profile: RegistryProfile, request: Request
) -> Conversation[AuthMethod | Failure | None]:
    """Ask the registry's API root for its challenge. None: it asks for nothing."""
    origin = request.url.origin
    if uses := profile.roots.get(origin, 0):
        return None, (
            profile.with_root(origin, uses - 1) if uses > 1 else profile.without_root(origin)
        )
    root: Got = yield _knock(site, request)
    if fault := _no_word(root):
        return fault, profile
    challenges = parse_challenges(root.all("www-authenticate")) if isinstance(root, Reply) else ()
    if isinstance(root, Reply) and root.status == 401 and can_be_answered(challenges):
        return auth_method_for(site, request.url, challenges, is_quiet=True), profile
    return None, profile.with_root(origin, ROOT_USES)


def _no_word(root: Got) -> Failure | None:
    """Return why the API root told nothing, if it did not."""
    if isinstance(root, Reply):
        if root.status < 500 and root.status != 429:
            return None
        return Unreachable(reason=f"the registry's API root ({API_ROOT}) answered {root.status}")
    return Unreachable(reason=root.text) if isinstance(root, NoResponse) else root


def _is_same(one: AuthMethod, other: AuthMethod) -> bool:
    return replace(one, is_quiet=False) == replace(other, is_quiet=False)


def _knock(
    site: Site, request: Request, value: Secret | None = None, credential: Credential = _NOTHING
) -> Send:
    url = replace(request.url, target=API_ROOT)
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


def _note_credential(site: Site, request: Request, got: Got, value: Secret | None) -> Got:
    """Add to a refusal whether a credential was shown."""
    if not isinstance(got, Reply) or got.status not in (401, 403, 404, 451):
        return got
    return replace(got, denial=denial(site, request.url, is_shown=value is not None))
