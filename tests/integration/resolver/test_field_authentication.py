"""Registries with odd rules for credentials and tokens, as people met them."""

from itertools import count
from pathlib import Path

import pytest

from imagedrift_sandbox.nats import NatsServer
from imagedrift_schemas.v1 import Denied, Found, Missing
from support.field_trials import BASIC, ask_each, ask_together, with_password
from support.polling import until
from support.resolver import trusting, working
from support.scripted_registry import (
    DIGEST,
    Asked,
    ScriptedReply,
    error,
    manifest,
    page,
    scripted,
    token,
    wants,
)


async def test_a_token_that_is_good_for_one_request_is_renewed(
    fresh_nats: NatsServer, tmp_path: Path
) -> None:
    """A token for one request is renewed (NVIDIA/nvidia-container-toolkit#1945)."""
    numbers, good = count(1), set[str]()

    def answer(asked: Asked) -> ScriptedReply:
        host = registry.host
        if asked.path.startswith("/proxy_auth"):
            value = f"t{next(numbers)}"
            good.add(f"Bearer {value}")
            return token(value)
        if asked.path.startswith("/authn"):
            return error(401, "UNAUTHORIZED")
        if asked.authorization in good:
            good.discard(asked.authorization)
            return manifest(DIGEST)
        if asked.authorization:
            return wants(
                f'Bearer realm="http://{host}/authn",service="registry",error="invalid_token"'
            )
        return wants(f'Bearer realm="http://{host}/proxy_auth",scope="repository:nvidia/cuda:pull"')

    async with (
        scripted(answer) as registry,
        working(fresh_nats.url, tmp_path, trusting(registry.host)) as client,
    ):
        answers = await ask_each(client, registry, *["nvidia/cuda:1"] * 3)
        together = await ask_together(client, registry, [f"nvidia/cuda:{n}" for n in range(2, 12)])
    assert all(isinstance(each.outcome, Found) for each in [*answers, *together])


@pytest.mark.parametrize("after", ["moved", "open", "basic"])
async def test_a_way_in_that_fails_is_forgotten(
    fresh_nats: NatsServer, tmp_path: Path, after: str
) -> None:
    """A token endpoint that moved or went away must not lock a registry out for ever.

    oras-project/oras-go#650.
    """
    is_changed = False

    def answer(asked: Asked) -> ScriptedReply:
        place = f"/{after}/token" if is_changed else "/old/token"
        if asked.path.startswith("/v2/"):
            if is_changed and after == "open":
                return manifest(DIGEST) if not asked.authorization else wants("Bearer")
            if is_changed and after == "basic":
                return manifest(DIGEST) if asked.authorization == BASIC else wants("Basic")
            if asked.authorization == f"Bearer {place[1:4]}":
                return manifest(DIGEST)
            return wants(f'Bearer realm="http://{registry.host}{place}"')
        return token(place[1:4]) if asked.path.startswith(place) else page(404)

    async with scripted(answer) as registry:
        toml = with_password(tmp_path, registry.host)
        async with working(fresh_nats.url, tmp_path, toml) as client:
            before = await ask_each(client, registry, "a/app:1")
            is_changed = True
            later = await ask_each(client, registry, "a/other:1", "b/app:1", "a/app:1")
    assert all(isinstance(each.outcome, Found) for each in [*before, *later])


@pytest.mark.parametrize("refusal", [error(404, "MANIFEST_UNKNOWN"), page(403, ""), (401, {}, b"")])
@pytest.mark.parametrize("scheme", ["Basic", "Bearer"])
async def test_a_credential_is_shown_where_only_the_api_root_asks_for_it(
    fresh_nats: NatsServer, tmp_path: Path, refusal: ScriptedReply, scheme: str
) -> None:
    """GitHub Packages, Keppel and gcr.io refuse without a challenge.

    containerd/containerd#3291, sapcc/keppel#522, containers/image#211.
    """

    def answer(asked: Asked) -> ScriptedReply:
        wanted = BASIC if scheme == "Basic" else "Bearer abc"
        if asked.path.startswith("/token"):
            return token("abc") if asked.authorization == BASIC else error(401, "UNAUTHORIZED")
        if asked.path == "/v2/" and asked.authorization != wanted:
            return wants(f'{scheme} realm="http://{registry.host}/token"')
        if asked.authorization != wanted:
            return refusal
        return manifest(DIGEST) if "none" not in asked.path else error(404, "MANIFEST_UNKNOWN")

    async with scripted(answer) as registry:
        toml = with_password(tmp_path, registry.host)
        async with working(fresh_nats.url, tmp_path, toml) as client:
            found = await ask_each(client, registry, "a/app:1", "a/app:2", "b/app:1")
            [none] = await ask_each(client, registry, "a/app:none")
        fronts = [a for a in registry.told() if a.path == "/v2/" and not a.authorization]
    assert all(isinstance(each.outcome, Found) for each in found)
    assert isinstance(none.outcome, Missing)
    assert len(fronts) == 1


async def test_a_404_to_a_password_that_is_not_accepted_is_no_missing_tag(
    fresh_nats: NatsServer, tmp_path: Path
) -> None:
    """A registry that hides what it has from strangers hides it from a wrong password too.

    containerd/containerd#3291.
    """

    def answer(asked: Asked) -> ScriptedReply:
        return wants("Basic") if asked.path == "/v2/" else error(404, "MANIFEST_UNKNOWN")

    async with scripted(answer) as registry:
        toml = with_password(tmp_path, registry.host)
        async with working(fresh_nats.url, tmp_path, toml) as client:
            answers = await ask_each(client, registry, *[f"a/app:{n}" for n in range(4)])
    assert all(isinstance(each.outcome, Denied) for each in answers)


@pytest.mark.parametrize("is_private", [False, True])
async def test_a_redirected_path_gets_a_token_of_its_own(
    fresh_nats: NatsServer, tmp_path: Path, is_private: bool
) -> None:
    """A redirected path gets its own token (containerd/containerd#6339)."""
    inner = "/artifactory/api/docker/docker-hub/v2"

    def answer(asked: Asked) -> ScriptedReply:
        if asked.path.startswith("/v2/node/"):
            return 302, {"Location": asked.path.replace("/v2", inner)}, b""
        if asked.path.startswith(f"{inner}/token"):
            good = "repository%3Anode%3Apull" in asked.path
            good = good and (not is_private or asked.authorization == BASIC)
            return token("abc") if good else error(401, "UNAUTHORIZED")
        if asked.authorization == "Bearer abc":
            return manifest(DIGEST)
        realm = f"http://{registry.host}{inner}/token"
        return wants(f'Bearer realm="{realm}",service="r",scope="repository:node:pull"')

    async with scripted(answer) as registry:
        toml = with_password(tmp_path, registry.host) if is_private else trusting(registry.host)
        async with working(fresh_nats.url, tmp_path, toml) as client:
            answers = await ask_each(client, registry, "node:22", "node:23")
    assert all(isinstance(each.outcome, Found) for each in answers)


@pytest.mark.parametrize("together", [False, True])
async def test_a_wrong_password_is_shown_a_few_times(
    fresh_nats: NatsServer, tmp_path: Path, together: bool
) -> None:
    """A wrong password is sent a few times only (docker/hub-feedback#1392)."""

    def answer(asked: Asked) -> ScriptedReply:
        is_right = asked.authorization and asked.authorization != BASIC
        return manifest(DIGEST) if is_right else wants('Basic realm="Artifactory Realm"')

    images = [f"a/app{n}:1" for n in range(40)]
    async with scripted(answer) as registry:
        toml = with_password(tmp_path, registry.host, max_connections=10)
        async with working(fresh_nats.url, tmp_path, toml) as client:
            if together:
                answers = await ask_together(client, registry, images)
            else:
                answers = await ask_each(client, registry, *images)
            shown = [a for a in registry.asked if a.authorization]
            (tmp_path / "password").write_text("another")

            async def found() -> bool:
                [anew] = await ask_each(client, registry, "a/app0:1")
                return isinstance(anew.outcome, Found)

            await until(found, what="the new password is shown")
    assert all(isinstance(each.outcome, Denied) for each in answers)
    assert 1 <= len(shown) <= 5


async def test_repositories_that_refuse_a_good_password_do_not_hold_up_the_others(
    fresh_nats: NatsServer, tmp_path: Path
) -> None:
    """A 401 of one repository does not pause a good password (goharbor/harbor#15805)."""

    def answer(asked: Asked) -> ScriptedReply:
        if asked.authorization != BASIC or "private" in asked.path:
            return wants("Basic")
        return (200, {}, b"{}") if asked.path == "/v2/" else manifest(DIGEST)

    images = [f"private/app:{n}" for n in range(8)] + [f"open/app:{n}" for n in range(4)]
    async with scripted(answer) as registry:
        toml = with_password(tmp_path, registry.host)
        async with working(fresh_nats.url, tmp_path, toml) as client:
            answers = await ask_each(client, registry, *images)
    assert [type(each.outcome) for each in answers] == [Denied] * 8 + [Found] * 4
