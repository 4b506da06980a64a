"""Registries that people met which fail in part or as a whole: good images are still answered."""

from pathlib import Path

import pytest

from imagedrift_sandbox.nats import NatsServer
from imagedrift_schemas.v1 import Found, Missing, Unreachable
from support.field_trials import ask_each, ask_together
from support.resolver import trusting, working
from support.scripted_registry import (
    DIGEST,
    Asked,
    ScriptedReply,
    error,
    manifest,
    page,
    scripted,
    wants,
)


@pytest.mark.parametrize("together", [False, True])
@pytest.mark.parametrize("broken", [3, 14])
async def test_broken_images_do_not_stand_in_the_way_of_good_ones(
    fresh_nats: NatsServer, tmp_path: Path, broken: int, together: bool
) -> None:
    """A registry whose storage is broken for some images serves all others.

    distribution/distribution#3842.
    """

    def answer(asked: Asked) -> ScriptedReply:
        if "broken" in asked.path:
            return error(500, "UNKNOWN")
        return (200, {}, b"{}") if asked.path == "/v2/" else manifest(DIGEST)

    images = [f"broken{n}:1" for n in range(broken)]
    images += [f"good{n}:1" for n in range(29 - broken)]
    async with (
        scripted(answer) as registry,
        working(fresh_nats.url, tmp_path, trusting(registry.host)) as client,
    ):
        for _ in range(2):
            if together:
                answers = await ask_together(client, registry, images)
            else:
                answers = await ask_each(client, registry, *images)
            kinds = [type(each.outcome) for each in answers]
            assert kinds == [Unreachable] * broken + [Found] * (29 - broken)


@pytest.mark.parametrize("reply", [error(500, "UNKNOWN"), page(502, "Bad Gateway"), page(404)])
async def test_a_registry_that_fails_at_everything_is_left_alone(
    fresh_nats: NatsServer, tmp_path: Path, reply: ScriptedReply
) -> None:
    """A registry that always fails gets few requests (distribution/distribution#2152)."""
    async with (
        scripted(lambda _: reply) as registry,
        working(fresh_nats.url, tmp_path, trusting(registry.host)) as client,
    ):
        answers = await ask_each(client, registry, *[f"app{n}:1" for n in range(10)])
    assert all(isinstance(each.outcome, Unreachable) for each in answers)
    assert "not asked" in str(answers[-1].outcome)
    assert len(registry.asked) <= 7


async def test_a_token_endpoint_that_is_down_is_left_alone(
    fresh_nats: NatsServer, tmp_path: Path
) -> None:
    """A token endpoint that is down gets few requests (Finsys/dockhand#676)."""

    def answer(asked: Asked) -> ScriptedReply:
        if asked.path.startswith("/token"):
            return page(503, "")
        return wants(f'Bearer realm="http://{registry.host}/token"')

    async with (
        scripted(answer) as registry,
        working(fresh_nats.url, tmp_path, trusting(registry.host)) as client,
    ):
        answers = await ask_together(client, registry, [f"app{n}:1" for n in range(60)])
    assert all(not isinstance(each.outcome, Found | Missing) for each in answers)
    assert len(registry.told("/token")) <= 12
