"""Whole exchanges with a registry about a tag, played by hand."""

import hashlib
import json

import pytest

from imagedrift_resolver.core.conversation import Authorise, RegistryProfile, Send, resolve
from imagedrift_resolver.core.credential import IdentityToken, Password, RegistryToken, Secret
from imagedrift_resolver.core.reply import NoResponse, Reply
from imagedrift_resolver.core.site import Site
from imagedrift_schemas.v1 import (
    Denied,
    Found,
    Invalid,
    Limited,
    Missing,
    Outcome,
    Refused,
    Unreachable,
    Unsupported,
)
from support.conversations import (
    DIGEST,
    NOW,
    REGISTRY,
    Server,
    Steps,
    challenge,
    good,
    moved,
    play,
    shown,
    site,
    unknown,
)

ME = Password("me", Secret("hunter2"))
BODY = json.dumps({"config": {"digest": DIGEST, "size": 2}, "layers": []}).encode()
BODY_DIGEST = "sha256:" + hashlib.sha256(BODY).hexdigest()
BEARER = (
    'Bearer realm="https://registry.example.org/token",service="s",scope="repository:wrong:pull"'
)


def ask(
    at: Site, server: Server, profile: RegistryProfile | None = None
) -> tuple[Outcome, RegistryProfile, Steps]:
    """Ask what `team/app:1` points to."""
    return play(resolve(at, profile or RegistryProfile(), "team/app", "1", NOW), server)


def methods(steps: Steps) -> str:
    """The order of what was wanted."""
    return " ".join(step.method if isinstance(step, Send) else "token" for step in steps)


def test_one_head_is_enough() -> None:
    """A registry that returns a digest on HEAD is asked once."""
    outcome, profile, steps = ask(site(), lambda _: good())
    assert outcome == Found(digest=DIGEST, media_type=outcome.media_type, source="head")  # type: ignore[union-attr]
    assert methods(steps) == "HEAD"
    assert str(steps[0].url) == "https://registry.example.org/v2/team/app/manifests/1"  # type: ignore[union-attr]
    assert profile == RegistryProfile()


# --- authentication --------------------------------------------------------------------------


def lets_in(wanted: str, text: str = BEARER) -> Server:
    """A registry that answers who shows what it wants, and challenges everybody else."""
    return lambda step: good() if shown(step) == wanted else challenge(text)


def test_a_bearer_token_is_got_with_our_own_scope() -> None:
    """A token is requested with our own scope, not the challenge's."""
    outcome, profile, steps = ask(site(), lets_in("Bearer token-registry.example.org-1"))
    assert isinstance(outcome, Found)
    assert methods(steps) == "HEAD token HEAD"
    asked = steps[1]
    assert isinstance(asked, Authorise)
    assert (asked.grant.scope, asked.grant.service) == ("repository:team/app:pull", "s")
    assert asked.grant.credential == "anonymous"
    _, _, again = ask(site(), lets_in("Bearer token-registry.example.org-1"), profile)
    assert methods(again) == "token HEAD"


@pytest.mark.parametrize("status", [401, 400])
def test_a_token_that_ended_is_renewed_once(status: int) -> None:
    """An expired token is renewed once, after a 401 or ECR Public's 400."""
    _, profile, _ = ask(site(), lets_in("Bearer token-registry.example.org-1"))

    def server(step: Send) -> Reply:
        if shown(step).endswith("-2"):
            return good()
        return Reply(status)

    outcome, _, steps = ask(site(), server, profile)
    assert isinstance(outcome, Found)
    assert methods(steps) == "token HEAD token HEAD"
    renewed = steps[2]
    assert isinstance(renewed, Authorise)
    assert renewed.refused is not None


def test_a_registry_that_is_never_content_is_asked_twice_and_no_more() -> None:
    """A fresh token that is refused is a denial."""
    outcome, _, steps = ask(site(), lambda _: challenge(BEARER))
    assert isinstance(outcome, Denied)
    assert methods(steps) == "HEAD token HEAD"


def test_basic_is_shown_where_it_is_wanted() -> None:
    """A password is sent by Basic where the challenge offers nothing better."""
    server = lets_in("Basic bWU6aHVudGVyMg==", 'Basic realm="x"')
    outcome, profile, steps = ask(site(credential=ME), server)
    assert isinstance(outcome, Found)
    assert methods(steps) == "HEAD HEAD"
    assert methods(ask(site(credential=ME), server, profile)[2]) == "HEAD"


@pytest.mark.parametrize(
    ("credential", "offer"), [(ME, "Basic"), (RegistryToken(Secret("abc")), BEARER)]
)
def test_a_400_is_told_as_one_where_no_token_can_have_ended(
    credential: Password | RegistryToken, offer: str
) -> None:
    """A 400 without a token is reported as one."""
    at = site(credential=credential)
    _, profile, _ = ask(at, lambda step: good() if shown(step) else challenge(offer))
    outcome, _, steps = ask(at, lambda _: Reply(400), profile)
    assert isinstance(outcome, Invalid)
    assert "answered 400" in outcome.reason
    assert methods(steps) == "HEAD GET"


def test_a_password_that_is_not_accepted_is_not_tried_again() -> None:
    """A refused password is not tried again."""
    _, profile, _ = ask(site(credential=ME), lets_in("Basic bWU6aHVudGVyMg==", "Basic"))
    outcome, _, steps = ask(site(credential=ME), lambda _: challenge("Basic"), profile)
    assert isinstance(outcome, Denied)
    assert [bool(shown(step)) for step in steps] == [True, False]


@pytest.mark.parametrize(
    "text",
    [
        f'{BEARER}, Basic realm="x"',
        f'Basic realm="x", {BEARER}',
        f"Negotiate, {BEARER}",
        f"UNKNOWN a=b, {BEARER}",
    ],
)
def test_bearer_goes_before_anything_else(text: str) -> None:
    """Bearer is preferred among several challenges."""
    outcome, _, steps = ask(site(), lets_in("Bearer token-registry.example.org-1", text))
    assert isinstance(outcome, Found)
    assert methods(steps) == "HEAD token HEAD"


def test_a_registry_token_is_shown_as_it_is() -> None:
    """A configured bearer token needs no token endpoint."""
    server = lets_in("Bearer abc")
    outcome, _, steps = ask(site(credential=RegistryToken(Secret("abc"))), server)
    assert isinstance(outcome, Found)
    assert methods(steps) == "HEAD HEAD"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('Basic realm="x"', "configure a credential"),
        ("Negotiate", "do not speak: negotiate"),
        ("", "does not say what it wants"),
        ("Bearer service=x", "do not speak: bearer"),
    ],
)
def test_a_401_that_cannot_be_met_says_what_is_wanted(text: str, words: str) -> None:
    """A 401 that cannot be answered names what to configure."""
    outcome, _, _ = ask(site(), lambda _: challenge(text))
    assert isinstance(outcome, Denied)
    assert words in outcome.reason


# --- where credentials may go (CVE-2020-15157, CVE-2026-33540, CVE-2026-48978) ------------------


@pytest.mark.parametrize(
    ("registry", "host", "realm"),
    [
        ("docker.io", "registry-1.docker.io", "https://auth.docker.io/token"),
        ("registry.gitlab.com", "", "https://gitlab.com/jwt/auth"),
        ("harbor.example.org", "", "https://harbor.example.org/service/token"),
        ("harbor.example.org", "", "/service/token"),
        ("gitlab.example.org:5050", "", "https://gitlab.example.org/jwt/auth"),
    ],
)
def test_known_pairs_of_hosts_may_see_the_credential(registry: str, host: str, realm: str) -> None:
    """The known token endpoints of Docker Hub and GitLab receive the credential."""
    at = site(registry, ME, host=host)
    _, _, steps = ask(at, lambda _: challenge(f'Bearer realm="{realm}",service="s"'))
    asked = steps[1]
    assert isinstance(asked, Authorise)
    assert asked.grant.credential == "me"


def test_a_foreign_realm_is_not_shown_the_credential() -> None:
    """A foreign realm does not receive the credential unless it is configured."""
    text = 'Bearer realm="https://evil.example/token"'
    outcome, _, steps = ask(site(credential=ME), lambda _: challenge(text))
    assert isinstance(outcome, Denied)
    assert 'realms = ["evil.example"]' in outcome.reason
    assert methods(steps) == "HEAD"
    allowed = site(credential=ME, realms=frozenset({"evil.example"}))
    assert methods(ask(allowed, lambda _: challenge(text))[2]) == "HEAD token HEAD"


def test_an_identity_token_is_not_shown_to_a_foreign_realm() -> None:
    """A foreign realm does not receive an identity token."""
    at = site(credential=IdentityToken(Secret("long")))
    outcome, _, _ = ask(at, lambda _: challenge('Bearer realm="https://evil.example/t"'))
    assert isinstance(outcome, Denied)


def test_an_anonymous_token_may_come_from_anywhere_public() -> None:
    """An anonymous token may come from any public host."""
    text = 'Bearer realm="https://ghcr.io/token",service="ghcr.io"'
    outcome, _, _ = ask(site("lscr.io"), lets_in("Bearer token-ghcr.io-1", text))
    assert isinstance(outcome, Found)


@pytest.mark.parametrize(
    "realm",
    [
        "http://registry.example.org/token",
        "http://evil.example/token",
        "https://127.0.0.1/token",
        "https://169.254.169.254/latest/meta-data",
        "https://[::1]/token",
        "https://10.0.0.1:8443/token",
        "https://2130706433/token",
    ],
)
def test_a_realm_on_an_inner_machine_or_without_tls_is_refused(realm: str) -> None:
    """A realm on an inner machine or without TLS is refused (SSRF)."""
    outcome, _, steps = ask(site(), lambda _: challenge(f'Bearer realm="{realm}"'))
    assert isinstance(outcome, Refused)
    assert methods(steps) == "HEAD"


def test_an_inner_registry_that_is_named_may_have_its_own_realm() -> None:
    """A configured inner registry may have a realm on its own host."""
    at = site("10.0.0.5:5000", scheme="http", trusted=True)
    _, _, steps = ask(at, lambda _: challenge('Bearer realm="http://10.0.0.5:5001/token"'))
    asked = steps[1]
    assert isinstance(asked, Authorise)
    assert asked.trusted
    outcome, _, _ = ask(at, lambda _: challenge('Bearer realm="http://10.0.0.6/token"'))
    assert isinstance(outcome, Refused)


def test_a_realm_that_is_no_url_is_told() -> None:
    """A realm that is no valid url is reported."""
    for realm in ("ftp://x/t", "https://u:p@registry.example.org/t", "https://x y/t"):
        outcome, _, _ = ask(site(), lambda _, r=realm: challenge(f'Bearer realm="{r}"'))  # type: ignore[misc]
        assert isinstance(outcome, Invalid)


# --- redirects (GHSA-vh4v-2xq2-g5cg, CVE-2026-50151, GO-2026-5822) ------------------------------


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_followed_without_the_credential(status: int) -> None:
    """A redirect to another host is followed without the credential."""

    def server(step: Send) -> Reply:
        if step.url.host == "cdn.example":
            return good()
        if not step.authorization:
            return challenge("Basic")
        return moved("https://cdn.example/v2/other/app/manifests/1", status)

    outcome, _, steps = ask(site(credential=ME), server)
    assert isinstance(outcome, Found)
    assert methods(steps) == "HEAD HEAD HEAD"
    assert [bool(shown(step)) for step in steps] == [False, True, False]


def test_where_a_redirect_leads_gets_an_anonymous_token_of_its_own() -> None:
    """A redirected host's challenge gets an anonymous token for its own repository."""

    def server(step: Send) -> Reply:
        if step.url.host == "registry.example.org":
            return moved("https://eu.pkg.dev/v2/k8s/images/app/manifests/1")
        if shown(step) == "Bearer token-eu.pkg.dev-1":
            return good()
        return challenge('Bearer realm="https://eu.pkg.dev/v2/token",service="eu.pkg.dev"')

    outcome, _, steps = ask(site(credential=ME), server)
    assert isinstance(outcome, Found)
    asked = steps[2]
    assert isinstance(asked, Authorise)
    assert asked.grant.credential == "anonymous"
    assert asked.grant.scope == "repository:k8s/images/app:pull"


def test_a_redirected_host_that_names_the_registrys_realm_gets_no_token_of_its() -> None:
    """A redirected host that names the registry's realm gets no token of the registry."""

    def server(step: Send) -> Reply:
        if step.url.host == "registry.example.org":
            return moved("https://evil.example/v2/team/app/manifests/1")
        return challenge(BEARER)

    _, _, steps = ask(site(credential=ME), server)
    asked = steps[2]
    assert isinstance(asked, Authorise)
    assert asked.grant.credential == asked.credential.name == "anonymous"


def test_a_redirected_host_that_wants_basic_is_shown_nothing() -> None:
    """A redirected host with a Basic challenge receives nothing."""

    def server(step: Send) -> Reply:
        if step.url.host == "registry.example.org" and step.url.port == 443:
            return moved("https://registry.example.org:8443/v2/team/app/manifests/1")
        return challenge("Basic")

    outcome, _, steps = ask(site(credential=ME), server)
    assert isinstance(outcome, Denied)
    assert not any(shown(step) for step in steps)


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        ("http://registry.example.org/v2/team/app/manifests/1", Refused),
        ("https://127.0.0.1/x", Refused),
        ("https://169.254.169.254/latest/meta-data", Refused),
        ("https://[fd00:ec2::254]/x", Refused),
        ("file:///etc/passwd", Invalid),
        ("https://user:pw@cdn.example/x", Invalid),
        ("", Found),
    ],
)
def test_a_redirect_that_leads_astray_is_not_followed(location: str, expected: type) -> None:
    """A redirect out of TLS, to inner machines or to a malformed url is not followed."""
    seen: list[str] = []

    def server(step: Send) -> Reply:
        seen.append(str(step.url))
        return moved(location) if len(seen) == 1 else good()

    outcome, _, _ = ask(site(), server)
    assert isinstance(outcome, expected)
    if expected is not Found:
        assert len(seen) == 1


def test_redirects_come_to_an_end() -> None:
    """A circle of redirects ends after a few hops."""
    outcome, _, steps = ask(site(), lambda _: moved("/v2/team/app/manifests/1"))
    assert isinstance(outcome, Invalid)
    assert methods(steps) == "HEAD HEAD HEAD HEAD"


# --- registries that do HEAD badly -----------------------------------------------------------


def by_get(body: bytes = BODY, **headers: str) -> Reply:
    """A GET's response."""
    kind = "application/vnd.oci.image.manifest.v1+json"
    told = {"content-type": kind} | {n.replace("_", "-"): v for n, v in headers.items()}
    return Reply(200, {name: (value,) for name, value in told.items()}, body)


@pytest.mark.parametrize(
    "head",
    [
        Reply(200),
        Reply(200, {"docker-content-digest": ("sha256:short",)}),
        Reply(200, {"docker-content-digest": (f"sha256:{'A' * 64}",)}),
        Reply(200, {"docker-content-digest": (f"sha256:{'a' * 64}\r\nX: y",)}),
        Reply(405),
        Reply(404),
    ],
)
def test_a_head_that_tells_nothing_is_followed_by_a_get(head: Reply) -> None:
    """A HEAD without a usable digest is followed by a GET."""
    outcome, profile, steps = ask(site(), lambda s: head if s.method == "HEAD" else by_get())
    assert isinstance(outcome, Found)
    assert (outcome.digest, outcome.source) == (BODY_DIGEST, "get")
    assert methods(steps) == "HEAD GET"
    if head.status != 405:  # which is certain; anything else may have been a push in between
        _, profile, steps = ask(site(), lambda s: head if s.method == "HEAD" else by_get(), profile)
        assert methods(steps) == "HEAD GET"
    assert methods(ask(site(), lambda _: by_get(), profile)[2]) == "GET"


def test_a_head_that_was_in_vain_once_is_trusted_again() -> None:
    """A tag that is pushed between HEAD and GET leaves HEAD in use."""
    _, profile, _ = ask(site(), lambda s: Reply(404) if s.method == "HEAD" else by_get())
    _, profile, _ = ask(site(), lambda _: good(), profile)
    assert profile == RegistryProfile()


def test_a_404_of_head_is_confirmed_by_a_get_each_time() -> None:
    """A 404 of HEAD is confirmed by a GET each time (goharbor/harbor#13153)."""
    outcome, profile, steps = ask(site(), lambda _: unknown())
    assert isinstance(outcome, Missing)
    assert methods(steps) == "HEAD GET"
    assert methods(ask(site(), lambda _: unknown(), profile)[2]) == "HEAD GET"


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (Reply(200), Unsupported),
        (Reply(404, REGISTRY), Missing),
        (Reply(404), Unreachable),
        (Reply(403), Denied),
        (Reply(405), Unsupported),
    ],
)
def test_docker_hubs_gets_are_not_spent_on_tags(head: Reply, expected: type) -> None:
    """Docker Hub gets no GET for a tag, as each is a pull."""
    hub = site("docker.io", host="registry-1.docker.io")
    outcome, _, steps = ask(hub, lambda step: head if step.method == "HEAD" else Reply(200))
    assert isinstance(outcome, expected)
    assert "manifests" not in " ".join(s.url.target for s in steps[1:] if isinstance(s, Send))


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (by_get(docker_content_digest=DIGEST), Invalid),
        (by_get(content_encoding="gzip"), Invalid),
        (by_get(b"{}"), Unsupported),
        (by_get(b"not json"), Invalid),
        (by_get(b"<html>", content_type="text/html"), Unsupported),
        (Reply(200, {}, BODY, True), Invalid),
    ],
)
def test_a_body_that_does_not_prove_itself_is_not_believed(reply: Reply, expected: type) -> None:
    """A body counts only with the hash of its digest (GHSA-qv35-3gw6-8q4j)."""
    outcome, _, _ = ask(site(), lambda s: Reply(405) if s.method == "HEAD" else reply)
    assert isinstance(outcome, expected)


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (Reply(403), Denied),
        (unknown(), Missing),
        (Reply(404), Unreachable),
        (Reply(406), Unsupported),
        (Reply(408), Unreachable),
        (Reply(429), Limited),
        (Reply(500), Unreachable),
        (Reply(503), Unreachable),
        (Reply(204), Invalid),
        (Reply(304), Invalid),
        (Reply(418), Invalid),
        (Reply(999), Invalid),
        (Reply(200, {"content-type": ("text/html; charset=utf-8",)}), Unsupported),
        (
            Reply(
                200,
                {
                    "docker-content-digest": (DIGEST,),
                    "content-type": ("application/vnd.docker.distribution.manifest.v1+prettyjws",),
                },
            ),
            Unsupported,
        ),
        (NoResponse("closed", "no connection"), Unreachable),
        (NoResponse("forbidden", "10.0.0.1 is private"), Refused),
    ],
)
def test_every_other_response_has_its_meaning(reply: Reply | NoResponse, expected: type) -> None:
    """Every other response has an outcome, with a reason that names it."""
    outcome, _, _ = ask(site(), lambda _: reply)
    assert isinstance(outcome, expected)
    assert not isinstance(outcome, Found)
    assert outcome.reason


def test_what_a_registry_writes_freely_is_not_repeated() -> None:
    """Only the code of a registry's error document is repeated."""
    body = b'{"errors":[{"code":"DENIED","message":"you sent hunter2"}]}'

    def server(step: Send) -> Reply:
        return Reply(403, {}, body) if step.method == "GET" else Reply(405)

    outcome, _, _ = ask(site(credential=ME), server)
    assert isinstance(outcome, Denied)
    assert "DENIED" in outcome.reason
    assert "hunter2" not in outcome.reason


def test_a_mirror_is_told_what_it_mirrors() -> None:
    """A mirror receives the registry's name as `ns`."""
    at = site("docker.io", host="mirror.lan:5000", namespace="docker.io")
    _, _, steps = ask(at, lambda _: good())
    assert isinstance(steps[0], Send)
    assert steps[0].url.target == "/v2/team/app/manifests/1?ns=docker.io"
