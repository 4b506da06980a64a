"""Where a registry may send us to, and what may be shown there."""

import pytest

from imagedrift_resolver.core.challenge import Challenge
from imagedrift_resolver.core.site import Site, auth_method_for, host_of, redirect, registry_at
from imagedrift_resolver.core.url import Url, parse_url
from imagedrift_schemas.v1 import Invalid, Refused

SITE = Site(registry="r.example", api=parse_url("https://r.example"))

AT = parse_url("https://r.example/v2/a/manifests/1")


@pytest.mark.parametrize(
    ("location", "target"),
    [
        ("https://cdn.example/x?y=1", "https://cdn.example/x?y=1"),
        ("//cdn.example/x", "https://cdn.example/x"),
        ("/x", "https://r.example/x"),
        ("2", "https://r.example/v2/a/manifests/2"),
        ("../blobs/3", "https://r.example/v2/a/blobs/3"),
        ("?a=b", "https://r.example/v2/a/manifests/1?a=b"),
        ("/x#part", "https://r.example/x"),
        ("", "https://r.example/v2/a/manifests/1"),
        ("HTTPS://CDN.example:443/x", "https://cdn.example/x"),
    ],
)
def test_redirects_lead_where_the_rfc_says(location: str, target: str) -> None:
    """Redirects are resolved as RFC 9110, 10.2.2 says."""
    got = redirect(SITE, AT, location)
    assert isinstance(got, Url)
    assert str(got) == target


@pytest.mark.parametrize(
    ("location", "kind"),
    [
        ("https://me:secret@cdn.example/x", Invalid),
        ("https://me@cdn.example/x", Invalid),
        ("ftp://cdn.example/x", Invalid),
        ("https:x", Invalid),
        ("https://", Invalid),
        ("https:///x", Invalid),
        ("https://cdn.example/\x7f", Invalid),
        ("https://cdn.example:0/x", Invalid),
        ("https://cdn.example:99999/x", Invalid),
        ("https://[::1/x", Invalid),
        ("http://cdn.example/x", Refused),
        ("https://10.0.0.1/x", Refused),
        ("https://[::ffff:127.0.0.1]/x", Refused),
    ],
)
def test_redirects_that_lead_astray_are_not_followed(location: str, kind: type) -> None:
    """A redirect with a user, out of TLS or to an inner address is not followed."""
    assert isinstance(redirect(SITE, AT, location), kind)


def test_a_refused_redirect_says_where_to_allow_it() -> None:
    """A refused redirect names `storage_hosts` (goharbor/harbor#23050)."""
    got = redirect(SITE, AT, "https://10.0.0.1:9000/x")
    assert isinstance(got, Refused)
    assert "name it in storage_hosts of this registry" in got.reason


@pytest.mark.parametrize(
    ("storage", "host", "trusted"),
    [
        ("minio.lan:9000", "https://minio.lan:9000/x", True),
        ("10.0.0.5", "https://10.0.0.5:9000/x", True),
        ("[fd00::1]:9000", "https://[fd00::1]:9000/x", True),
        ("10.0.0.5", "https://10.0.0.6/x", False),
        ("[fd00::1]", "https://[fd00::2]/x", False),
    ],
)
def test_only_named_storage_may_be_private(storage: str, host: str, trusted: bool) -> None:
    """A registry that the operator named leads there, and to no neighbour of it."""
    site = Site(
        registry="r.example",
        api=parse_url("https://r.example"),
        trusted=True,
        storage_hosts=frozenset({storage}),
    )
    target = parse_url(host)
    assert site.trusts(target.host) is trusted
    assert not site.is_own(target)
    assert not site.may_see_credential(target)
    got = redirect(site, parse_url("https://r.example/v2/a/manifests/1"), host)
    assert isinstance(got, Url if trusted else Refused)


def test_a_storage_hosts_port_is_not_compared() -> None:
    """As with realms the host counts."""
    assert [host_of(n) for n in ("A.b:1", "[::1]:5", "[::1]", "a")] == [
        "a.b",
        "[::1]",
        "[::1]",
        "a",
    ]


def test_docker_hubs_api_gives_no_tokens() -> None:
    """A registry that names Docker Hub's API as its token endpoint would have pulls made there."""
    realm = "https://registry-1.docker.io/v2/library/nginx/m%61nifests/latest"
    challenge = Challenge("bearer", {"realm": realm})
    assert isinstance(auth_method_for(SITE, AT, (challenge,)), Refused)


@pytest.mark.parametrize(
    ("url", "registry"),
    [
        ("https://registry-1.docker.io/v2/", "docker.io"),
        ("https://index.docker.io./v2/", "docker.io"),
        ("https://auth.docker.io/token", "docker.io"),
        ("https://gitlab.com/jwt/auth", "registry.gitlab.com"),
        ("https://r.example/v2/", "r.example"),
        ("https://r.example:5000/v2/", "r.example:5000"),
    ],
)
def test_a_url_belongs_to_the_registry_that_answers_there(url: str, registry: str) -> None:
    """Docker Hub has several hosts, and some that give tokens."""
    assert registry_at(parse_url(url)) == registry
