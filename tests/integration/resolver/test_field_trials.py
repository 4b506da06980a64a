"""Registries as people met them, over sockets with a resolver at work: each ends in the truth."""

from pathlib import Path

import pytest

from imagedrift_sandbox.nats import NatsServer
from imagedrift_schemas.v1 import Denied, Found, Missing, Unreachable
from support.field_trials import ask_each
from support.resolver import trusting, working
from support.scripted_registry import (
    DIGEST,
    Asked,
    ScriptedReply,
    error,
    manifest,
    page,
    scripted,
)


@pytest.mark.parametrize(
    "other",
    [
        page(404),
        page(404, "default backend - 404"),
        page(404, "<html>404</html>", "text/html"),
        page(404, '{"message":"no Route matched"}', "application/json"),
        page(404, '{"errors":[{"status":404}]}', "application/json"),
        (404, {}, b""),
        (404, {"Docker-Distribution-Api-Version": "registry/2.0"}, b"<html>404</html>"),
    ],
)
async def test_a_404_of_something_before_the_registry_is_no_missing_tag(
    fresh_nats: NatsServer, tmp_path: Path, other: ScriptedReply
) -> None:
    """A proxy's 404 is no missing tag (traefik/traefik#1077)."""
    async with (
        scripted(lambda _: manifest(DIGEST)) as registry,
        working(fresh_nats.url, tmp_path, trusting(registry.host)) as client,
    ):
        await ask_each(client, registry, "a/app:1")
        registry.answer = lambda _: other
        known, new = await ask_each(client, registry, "a/app:1", "a/app:2")
        registry.answer = lambda _: error(404, "MANIFEST_UNKNOWN")
        [gone] = await ask_each(client, registry, "a/app:2")
    assert isinstance(known.outcome, Unreachable)
    assert "not as a registry" in known.outcome.reason
    assert known.last_digest == DIGEST
    assert isinstance(new.outcome, Unreachable)
    assert isinstance(gone.outcome, Missing)


@pytest.mark.parametrize("head", [manifest(), error(404, "MANIFEST_UNKNOWN"), page(403, "")])
async def test_a_mirror_of_docker_hub_is_asked_by_get_where_head_tells_nothing(
    fresh_nats: NatsServer, tmp_path: Path, head: ScriptedReply
) -> None:
    """A mirror without digests on HEAD gets a GET (concourse/docker-image-resource#307)."""

    def answer(asked: Asked) -> ScriptedReply:
        return head if asked.method == "HEAD" else manifest()

    async with scripted(answer) as mirror:
        toml = trusting("docker.io", endpoint=mirror.host)
        async with working(fresh_nats.url, tmp_path, toml) as client:
            told = await client.ask("docker.io/library/app:1")
    assert isinstance(told.outcome, Found)
    assert told.outcome.source == "get"


@pytest.mark.parametrize("order", [1, -1])
async def test_a_project_that_does_head_badly_does_not_speak_for_another(
    fresh_nats: NatsServer, tmp_path: Path, order: int
) -> None:
    """HEAD is learnt per project (goharbor/harbor#13153)."""

    def answer(asked: Asked) -> ScriptedReply:
        if asked.method == "HEAD" and "hub-cache" in asked.path:
            return error(404, "NOT_FOUND")
        return manifest(DIGEST) if asked.method == "HEAD" else manifest()

    images = ["apps/web:1", "apps/web:2", "hub-cache/beats/filebeat:7", "hub-cache/a/b:1"]
    async with (
        scripted(answer) as registry,
        working(fresh_nats.url, tmp_path, trusting(registry.host)) as client,
    ):
        answers = await ask_each(client, registry, *images[::order])
    assert all(isinstance(each.outcome, Found) for each in answers)
    assert not registry.told("/apps/", "GET")


@pytest.mark.parametrize("status", [400, 403, 405, 406, 500, 501])
async def test_a_head_that_is_refused_leads_to_a_get(
    fresh_nats: NatsServer, tmp_path: Path, status: int
) -> None:
    """A refused HEAD is followed by a GET (containerd/containerd#6684)."""

    def answer(asked: Asked) -> ScriptedReply:
        return page(status, "") if asked.method == "HEAD" else manifest()

    async with (
        scripted(answer) as registry,
        working(fresh_nats.url, tmp_path, trusting(registry.host)) as client,
    ):
        answers = await ask_each(client, registry, *[f"a/app:{n}" for n in range(4)])
        registry.answer = lambda _: page(403, "")
        asked = len(registry.asked)
        [denied] = await ask_each(client, registry, "a/app:1")
    assert all(isinstance(each.outcome, Found) for each in answers)
    assert len(registry.told("manifests", "HEAD")) <= 3
    assert isinstance(denied.outcome, Denied)
    assert "no credential is configured" in denied.outcome.reason
    assert len(registry.asked) - asked <= 4
