"""Whole exchanges with a registry about a tag, played by hand."""

import hashlib
import json

import pytest

from imagedrift_resolver.core.conversation import RegistryProfile, Send
from imagedrift_resolver.core.reply import NoResponse, Reply
from imagedrift_schemas.v1 import (
    Denied,
    Found,
    Invalid,
    Limited,
    Missing,
    Refused,
    Unreachable,
    Unsupported,
)
from support.conversations import (
    DIGEST,
    ME,
    REGISTRY,
    ask,
    good,
    methods,
    site,
    unknown,
)

BODY = json.dumps({"config": {"digest": DIGEST, "size": 2}, "layers": []}).encode()
BODY_DIGEST = "sha256:" + hashlib.sha256(BODY).hexdigest()


def test_one_head_is_enough() -> None:
    """A registry that returns a digest on HEAD is asked once."""
    outcome, profile, steps = ask(site(), lambda _: good())
    assert outcome == Found(digest=DIGEST, media_type=outcome.media_type, source="head")  # type: ignore[union-attr]
    assert methods(steps) == "HEAD"
    assert str(steps[0].url) == "https://registry.example.org/v2/team/app/manifests/1"  # type: ignore[union-attr]
    assert profile == RegistryProfile()


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
