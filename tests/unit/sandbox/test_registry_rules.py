"""The sandbox registry's pure parts: routes, faults, budgets, tokens, images."""

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagedrift_sandbox.registry.auth import (
    Access,
    Auth,
    Scheme,
    Tokens,
    challenges,
    decide,
    user_of,
)
from imagedrift_sandbox.registry.budgets import Budget, Dialect, Meter, Wait
from imagedrift_sandbox.registry.faults import Fault, Faults, latency, too_many_requests
from imagedrift_sandbox.registry.images import Shape, push_image
from imagedrift_sandbox.registry.routes import Kind, understand
from imagedrift_sandbox.registry.store import Store

HEAD = understand("HEAD", "/v2/team/api/manifests/1.0")
GET = understand("GET", "/v2/team/api/manifests/1.0")
HOST = "127.0.0.1:5000"
NOW = 1_790_000_000.0


@pytest.mark.parametrize(
    ("method", "path", "kind", "repository", "reference"),
    [
        ("GET", "/v2/", Kind.PING, "", ""),
        ("GET", "/v2", Kind.PING, "", ""),
        ("GET", "/token", Kind.TOKEN, "", ""),
        ("HEAD", "/v2/a/manifests/1", Kind.MANIFEST_HEAD, "a", "1"),
        ("GET", "/v2/a/b/c/manifests/sha256:00", Kind.MANIFEST_GET, "a/b/c", "sha256:00"),
        (
            "PUT",
            "/v2/manifests/manifests/manifests/1",
            Kind.MANIFEST_PUT,
            "manifests/manifests",
            "1",
        ),
        ("DELETE", "/v2/a/manifests/1", Kind.MANIFEST_DELETE, "a", "1"),
        ("GET", "/v2/a/b/blobs/sha256:00", Kind.BLOB_GET, "a/b", "sha256:00"),
        ("POST", "/v2/a/b/blobs/uploads/", Kind.UPLOAD, "a/b", ""),
        ("PATCH", "/v2/a/b/blobs/uploads/77", Kind.UPLOAD, "a/b", "77"),
        ("GET", "/v2/a/tags/list", Kind.TAGS, "a", ""),
        ("GET", "/v2/_catalog", Kind.CATALOG, "", ""),
        ("GET", "/favicon.ico", Kind.OTHER, "", ""),
    ],
)
def test_a_request_line_is_understood(
    method: str, path: str, kind: Kind, repository: str, reference: str
) -> None:
    """Kind, repository and reference are read from method and path."""
    route = understand(method, path)

    assert (route.kind, route.repository, route.reference) == (kind, repository, reference)


def test_a_fault_strikes_only_what_it_is_about() -> None:
    """Kinds, host, path, repository and reference each narrow a fault."""
    narrow = [
        Fault(kinds=(Kind.BLOB_GET,)),
        Fault(host="other:*"),
        Fault(path="/v2/other/*"),
        Fault(repository="other/*"),
        Fault(reference="2.*"),
    ]
    wide = [
        Fault(kinds=(Kind.MANIFEST_HEAD,)),
        Fault(host="127.0.0.1:*"),
        Fault(path="/v2/team/*"),
        Fault(repository="team/*"),
        Fault(reference="1.*"),
    ]

    assert not any(fault.matches(HEAD, HOST) for fault in narrow)
    assert all(fault.matches(HEAD, HOST) for fault in wide)


@given(after=st.integers(0, 5), times=st.integers(0, 5))
def test_a_fault_lets_some_pass_and_then_strikes_as_often_as_told(after: int, times: int) -> None:
    """The first `after` requests pass, the next `times` are struck, the rest pass."""
    faults = Faults()
    faults.add(Fault(after=after, times=times, status=500))
    struck = [faults.strike(HEAD, HOST) is not None for _ in range(12)]

    assert struck == [False] * after + [True] * times + [False] * (12 - after - times)


@pytest.mark.parametrize(
    ("about", "with_credentials", "without"),
    [(None, True, True), (True, True, False), (False, False, True)],
)
def test_a_fault_can_be_about_credentials(
    about: bool | None, with_credentials: bool, without: bool
) -> None:
    """A fault strikes requests with credentials, without, or both."""
    fault = Fault(credentials=about, status=401)

    assert fault.matches(HEAD, HOST, credentials=True) is with_credentials
    assert fault.matches(HEAD, HOST, credentials=False) is without


def test_faults_that_strike_together_act_together() -> None:
    """Latencies add up, headers gather, the later status wins."""
    faults = Faults()
    faults.add(Fault(latency_s=0.5, headers={"A": "1"}, status=500))
    faults.add(Fault(latency_s=0.25, headers={"B": "2"}, status=503))
    faults.add(latency(0.25))
    both = faults.strike(HEAD, HOST)

    assert both is not None
    assert (both.latency_s, both.headers, both.status) == (1.0, {"A": "1", "B": "2"}, 503)


def test_a_removed_fault_strikes_no_more() -> None:
    """A fault is removed by its number, once."""
    faults = Faults()
    number = faults.add(too_many_requests())

    assert faults.remove(number)
    assert not faults.remove(number)
    assert faults.strike(GET, HOST) is None


@given(limit=st.integers(0, 8), spent=st.integers(0, 12))
def test_a_budget_refuses_exactly_what_is_over_it(limit: int, spent: int) -> None:
    """Of `spent` requests `limit` pass; HEADs are free; a new window begins afresh."""
    meter = Meter(Budget(limit=limit, window_s=60))
    refused = [meter.charge(Kind.MANIFEST_GET, "", NOW).refused for _ in range(spent)]

    assert refused.count(False) == min(limit, spent)
    assert refused == sorted(refused)
    assert not meter.charge(Kind.MANIFEST_HEAD, "", NOW).refused
    assert meter.charge(Kind.MANIFEST_GET, "", NOW + 60).refused is (limit == 0)


def test_every_user_has_a_budget_of_its_own() -> None:
    """One user's requests do not spend another's budget."""
    meter = Meter(Budget(limit=1))
    meter.charge(Kind.MANIFEST_GET, "first", NOW)

    assert meter.charge(Kind.MANIFEST_GET, "first", NOW).refused
    assert not meter.charge(Kind.MANIFEST_GET, "second", NOW).refused


@pytest.mark.parametrize(
    ("dialect", "headers"),
    [
        (Dialect.NONE, {}),
        (
            Dialect.DOCKER_HUB,
            {
                "ratelimit-limit": "100;w=60",
                "ratelimit-remaining": "99;w=60",
                "docker-ratelimit-source": "192.0.2.1",
            },
        ),
        (
            Dialect.X_RATELIMIT,
            {
                "X-RateLimit-Limit": "100",
                "X-RateLimit-Remaining": "99",
                "X-RateLimit-Reset": "1790000060",
            },
        ),
        (
            Dialect.IETF_FIELDS,
            {"RateLimit-Limit": "100", "RateLimit-Remaining": "99", "RateLimit-Reset": "60"},
        ),
        (Dialect.IETF_ONE, {"RateLimit": "limit=100, remaining=99, reset=60"}),
        (
            Dialect.IETF_POLICY,
            {"RateLimit-Policy": '"default";q=100;w=60', "RateLimit": '"default";r=99;t=60'},
        ),
    ],
)
def test_a_limit_is_told_in_each_dialect(dialect: Dialect, headers: dict[str, str]) -> None:
    """Limit, remaining and reset appear as that dialect spells them."""
    meter = Meter(Budget(limit=100, window_s=60, dialect=dialect))

    assert meter.charge(Kind.MANIFEST_GET, "", NOW).headers == headers


@pytest.mark.parametrize(
    ("wait", "headers", "words"),
    [
        (Wait.NONE, {}, "pull rate limit"),
        (Wait.SECONDS, {"Retry-After": "60"}, ""),
        (Wait.DATE, {"Retry-After": "Mon, 21 Sep 2026 14:14:20 GMT"}, ""),
        (Wait.EPOCH, {"Retry-After": "1790000060"}, ""),
        (Wait.X_EPOCH, {"X-Retry-After": "1790000060"}, ""),
        (Wait.BODY, {}, "retry-after: 331.163µs"),
    ],
)
def test_a_refusal_says_when_to_come_back(wait: Wait, headers: dict[str, str], words: str) -> None:
    """The wait appears where that registry would put it."""
    meter = Meter(Budget(limit=0, window_s=60, dialect=Dialect.NONE, wait=wait))
    charge = meter.charge(Kind.MANIFEST_GET, "", NOW)

    assert charge.refused
    assert charge.headers == headers
    assert words in charge.message


BEARER = Auth(scheme=Scheme.BEARER, users={"ann": "secret"}, private=("secret/*",), lifetime_s=60)


@pytest.mark.parametrize(
    ("user", "scope", "method", "path", "access"),
    [
        ("", "repository:team/api:pull", "GET", "/v2/team/api/manifests/1", Access.GRANTED),
        ("", "repository:other:pull", "GET", "/v2/team/api/manifests/1", Access.INSUFFICIENT),
        (
            "",
            "repository:team/api:pull,push",
            "PUT",
            "/v2/team/api/manifests/1",
            Access.INSUFFICIENT,
        ),
        ("", "repository:secret/x:pull", "GET", "/v2/secret/x/manifests/1", Access.INSUFFICIENT),
        ("ann", "repository:secret/x:pull", "GET", "/v2/secret/x/manifests/1", Access.GRANTED),
        ("ann", "repository:team/api:pull,push", "PUT", "/v2/team/api/manifests/1", Access.GRANTED),
        ("ann", "registry:catalog:*", "GET", "/v2/team/api/manifests/1", Access.INSUFFICIENT),
        ("", "", "GET", "/v2/", Access.GRANTED),
    ],
)
def test_a_token_opens_what_its_scope_and_user_allow(
    user: str, scope: str, method: str, path: str, access: Access
) -> None:
    """Pull is open to all but for private repositories; push is for users."""
    tokens = Tokens()
    token = tokens.give(BEARER, user, [scope], now=0)

    assert decide(BEARER, tokens, understand(method, path), f"Bearer {token}", 1).access is access


def test_a_token_ends() -> None:
    """A token is expired after its lifetime, and when all are made to expire; never unknown."""
    tokens = Tokens()
    scopes = ["repository:team/api:pull"]
    token = f"Bearer {tokens.give(BEARER, '', scopes, now=0)}"

    assert decide(BEARER, tokens, GET, token, 59.9).access is Access.GRANTED
    assert decide(BEARER, tokens, GET, token, 60).access is Access.EXPIRED
    tokens.expire_all()
    assert decide(BEARER, tokens, GET, token, 1).access is Access.EXPIRED


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer unknown", "Basic x", "Nonsense"])
def test_anything_but_a_token_is_challenged(header: str | None) -> None:
    """Requests without a known token get the challenge."""
    assert decide(BEARER, Tokens(), GET, header, 0).access is Access.CHALLENGE


@pytest.mark.parametrize(
    ("text", "user"),
    [("ann:secret", "ann"), ("ann:wrong", None), ("bob:secret", None), ("", None)],
)
def test_basic_credentials_are_checked(text: str, user: str | None) -> None:
    """Only the right password of a known user passes."""
    assert user_of(BEARER, base64.b64encode(text.encode()).decode()) == user


def test_basic_credentials_that_are_no_base64_are_wrong() -> None:
    """Garbage in place of credentials is nobody."""
    assert user_of(BEARER, "%%%") is None


def test_a_challenge_names_realm_service_and_scope() -> None:
    """The challenge of a pull asks for pull alone; odd challenges are sent as they are given."""
    odd = Auth(scheme=Scheme.BEARER, challenges=("Negotiate", 'bearer  realm="{realm}"'))

    assert challenges(BEARER, GET, "http://r/token", Access.CHALLENGE) == [
        'Bearer realm="http://r/token",service="sandbox",scope="repository:team/api:pull"'
    ]
    assert challenges(odd, GET, "http://r/token", Access.CHALLENGE) == [
        "Negotiate",
        'bearer  realm="http://r/token"',
    ]


@pytest.mark.parametrize("shape", Shape)
def test_an_image_is_repeatable_and_whole(shape: Shape) -> None:
    """The same seed gives the same digests, another seed others, and no part is missing."""
    store, other = Store(), Store()
    platforms = ("linux/amd64", "linux/arm64/v8")
    first = push_image(store, "a/b", "1", platforms=platforms, seed=1, shape=shape)
    again = push_image(other, "a/b", "1", platforms=platforms, seed=1, shape=shape)
    moved = push_image(store, "a/b", "1", platforms=platforms, seed=2, shape=shape)

    assert first == again
    assert first.digest != moved.digest
    assert store.repositories["a/b"].tags == {"1": moved.digest}
    for manifest in store.repositories["a/b"].manifests.values():
        document = json.loads(manifest.body)
        assert store.missing_parts("a/b", document) == []
        assert document["mediaType"] == manifest.media_type


def test_an_index_has_an_attestation_beside_each_platform() -> None:
    """Half of the index's children are attestations of the platform `unknown/unknown`."""
    store = Store()
    pushed = push_image(
        store, "a", "1", platforms=("linux/amd64", "linux/arm64"), shape=Shape.INDEX
    )
    index = store.find("a", pushed.digest)
    assert index is not None
    children = json.loads(index.body)["manifests"]
    unknown = [child for child in children if child["platform"]["os"] == "unknown"]

    assert len(children) == 4
    assert {child["annotations"]["vnd.docker.reference.digest"] for child in unknown} == set(
        pushed.children.values()
    )


def test_a_deleted_manifest_takes_its_tags_along() -> None:
    """Deleting by tag removes the tag alone, by digest the manifest and all its tags."""
    store = Store()
    pushed = push_image(store, "a", "1")
    push_image(store, "a", "2")

    assert store.delete("a", "1")
    assert store.find("a", pushed.digest) is not None
    assert store.delete("a", pushed.digest)
    assert store.find("a", "2") is None
    assert not store.delete("a", pushed.digest)
    assert not store.delete("nowhere", "1")
