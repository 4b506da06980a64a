"""The resolver gets the truth from every registry that is imitated, in that vendor's profile."""

import json
from base64 import b64encode
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from imagedrift_sandbox.nats import NatsServer
from imagedrift_sandbox.registry import RouteKind, SandboxRegistry, Vendor, imitate
from imagedrift_sandbox.registry.images import PushedImage
from imagedrift_sandbox.registry.vendors import PROFILES
from imagedrift_schemas.v1 import Denied, Found, Missing
from support.resolver import trusting, working

NAME, PASSWORD = "reader", "hunter2"
PUBLIC, PRIVATE = "team/app", "secret/app"
OPEN = [vendor for vendor in Vendor if PROFILES[vendor].auth.scheme != "basic"]
"""Vendors that give a public image to whoever asks."""
CLOSED = [vendor for vendor in Vendor if PROFILES[vendor].auth.scheme != "none"]
"""Vendors that can keep an image from those without a login."""
REDIRECTED = [vendor for vendor in CLOSED if PROFILES[vendor].manifests_elsewhere]
"""Of these, vendors that redirect to another host, which is shown no credential."""


@pytest.fixture
async def elsewhere(registry: SandboxRegistry) -> AsyncIterator[SandboxRegistry]:
    """Another host of the same registry: where some vendors give tokens or manifests."""
    async with SandboxRegistry(store=registry.store, tokens=registry.tokens).serving() as other:
        yield other


def login(registry: SandboxRegistry, password: str) -> str:
    """Docker's own configuration with a password for the registry."""
    auth = b64encode(f"{NAME}:{password}".encode()).decode()
    return json.dumps({"auths": {registry.host: {"auth": auth}}})


def keep_private(
    registry: SandboxRegistry, vendor: Vendor, elsewhere: SandboxRegistry
) -> PushedImage:
    """Push an image that a vendor gives to those with a login alone."""
    pushed = registry.push_image(PRIVATE, "1")
    imitate(registry, vendor, elsewhere=elsewhere, users={NAME: PASSWORD}, private=("secret/*",))
    return pushed


@pytest.mark.parametrize("vendor", OPEN)
async def test_a_public_image_of_each_vendor_is_found(
    registry: SandboxRegistry,
    elsewhere: SandboxRegistry,
    nats_server: NatsServer,
    tmp_path: Path,
    vendor: Vendor,
) -> None:
    """Without a login the digest of a tag is told, and a tag that is not there is missing."""
    pushed = registry.push_image(PUBLIC, "1")
    imitate(registry, vendor, elsewhere=elsewhere)
    toml = trusting(registry.host, elsewhere.host)
    async with working(nats_server.url, tmp_path, toml) as client:
        found = await client.ask(registry.reference(PUBLIC, "1"))
        missing = await client.ask(registry.reference(PUBLIC, "2"))

    assert isinstance(found.outcome, Found), found.outcome
    assert found.outcome.digest == pushed.digest
    assert isinstance(missing.outcome, Missing), missing.outcome


@pytest.mark.parametrize("vendor", [vendor for vendor in CLOSED if vendor not in REDIRECTED])
async def test_a_private_image_of_each_vendor_is_found_with_a_login(
    registry: SandboxRegistry,
    elsewhere: SandboxRegistry,
    nats_server: NatsServer,
    tmp_path: Path,
    vendor: Vendor,
) -> None:
    """With a password the digest is told; tokens come from where the challenge says."""
    pushed = keep_private(registry, vendor, elsewhere)
    toml = trusting(registry.host, elsewhere.host)
    config = login(registry, PASSWORD)
    async with working(nats_server.url, tmp_path, toml, docker_config=config) as client:
        answer = await client.ask(registry.reference(PRIVATE, "1"))

    assert isinstance(answer.outcome, Found), answer.outcome
    assert answer.outcome.digest == pushed.digest
    profile = PROFILES[vendor]
    issuer = elsewhere if profile.tokens_elsewhere else registry
    assert (issuer.totals().of(RouteKind.TOKEN) > 0) == (profile.auth.scheme == "bearer")


@pytest.mark.parametrize("password", ["", "wrong"])
@pytest.mark.parametrize("vendor", CLOSED)
async def test_a_private_image_of_each_vendor_is_denied_without_its_password(
    registry: SandboxRegistry,
    elsewhere: SandboxRegistry,
    nats_server: NatsServer,
    tmp_path: Path,
    vendor: Vendor,
    password: str,
) -> None:
    """Without a login, or with a wrong one, the answer is that the registry denies it."""
    keep_private(registry, vendor, elsewhere)
    toml = trusting(registry.host, elsewhere.host)
    config = login(registry, password) if password else ""
    async with working(nats_server.url, tmp_path, toml, docker_config=config) as client:
        answer = await client.ask(registry.reference(PRIVATE, "1"))

    assert isinstance(answer.outcome, Denied), answer.outcome


@pytest.mark.parametrize("vendor", REDIRECTED)
async def test_a_password_does_not_follow_a_redirect(
    registry: SandboxRegistry,
    elsewhere: SandboxRegistry,
    nats_server: NatsServer,
    tmp_path: Path,
    vendor: Vendor,
) -> None:
    """A private image behind a redirect to another host is denied, and the answer says why."""
    keep_private(registry, vendor, elsewhere)
    toml = trusting(registry.host, elsewhere.host)
    config = login(registry, PASSWORD)
    async with working(nats_server.url, tmp_path, toml, docker_config=config) as client:
        answer = await client.ask(registry.reference(PRIVATE, "1"))

    assert isinstance(answer.outcome, Denied), answer.outcome
    assert (
        f"{elsewhere.host}, to which it redirects, is shown no credential" in answer.outcome.reason
    )
