"""Tokens: got once for all who need them, exchanged, and renewed."""

import asyncio
from pathlib import Path

import pytest

from imagedrift_sandbox.nats import NatsServer
from imagedrift_sandbox.registry import Auth, Fault, RouteKind, SandboxRegistry, Scheme
from imagedrift_schemas.v1 import Found, Limited
from support.authentication import USERS, with_password
from support.resolver import trusting, working


async def test_a_token_endpoint_that_is_overloaded_is_given_time(
    fresh_nats: NatsServer, tmp_path: Path
) -> None:
    """A token endpoint's 429 blocks its registry's questions."""
    async with SandboxRegistry(auth=Auth(scheme=Scheme.BEARER)).serving() as registry:
        registry.misbehave(
            Fault(kinds=(RouteKind.TOKEN,), status=429, body="", headers={"Retry-After": "60"})
        )
        async with working(fresh_nats.url, tmp_path, trusting(registry.host)) as client:
            answers = [
                await client.ask(registry.reference(f"app{number}", "1")) for number in range(3)
            ]
        assert all(isinstance(answer.outcome, Limited) for answer in answers)
        assert (registry.totals().token_requests, registry.totals().head_requests) == (1, 1)


async def test_an_identity_token_is_exchanged(fresh_nats: NatsServer, tmp_path: Path) -> None:
    """An identity token is exchanged by POST."""
    auth = Auth(scheme=Scheme.BEARER, identity_tokens={"long-lived": "me"}, private=("*",))
    (tmp_path / "token").write_text("long-lived")
    async with SandboxRegistry(auth=auth).serving() as registry:
        pushed = registry.push_image("team/app", "1.0")
        toml = trusting(registry.host, token_file=str(tmp_path / "token"))
        async with working(fresh_nats.url, tmp_path, toml) as client:
            answer = await client.ask(registry.reference("team/app", "1.0"))
        assert answer.last_digest == pushed.digest
        assert [s.method for s in registry.counts.requests if s.kind is RouteKind.TOKEN] == ["POST"]


async def test_a_realm_on_another_host_gives_tokens(fresh_nats: NatsServer, tmp_path: Path) -> None:
    """A realm on another host gives tokens once it is configured."""
    async with SandboxRegistry(auth=Auth(scheme=Scheme.BEARER, users=USERS)).serving() as realm:
        auth = Auth(
            scheme=Scheme.BEARER,
            realm=f"http://localhost:{realm.port}/token",
            users=USERS,
            private=("*",),
        )
        async with SandboxRegistry(auth=auth, tokens=realm.tokens).serving() as registry:
            pushed = registry.push_image("team/app", "1.0")
            toml = with_password(tmp_path, registry.host)
            reference = registry.reference("team/app", "1.0")
            async with working(fresh_nats.url, tmp_path, toml) as client:
                refused = await client.ask(reference, ttl_s=1)
            assert realm.totals().total == 0
            async with working(
                fresh_nats.url, tmp_path, toml + 'realms = ["localhost"]\n'
            ) as client:
                found = await client.ask(registry.reference("team/app", "1.0"), ttl_s=1)
    assert not isinstance(refused.outcome, Found)
    assert found.last_digest == pushed.digest


async def test_one_token_serves_all_who_need_it_at_once(
    fresh_nats: NatsServer, tmp_path: Path
) -> None:
    """One token serves all questions of a repository at once."""
    async with SandboxRegistry(auth=Auth(scheme=Scheme.BEARER)).serving() as registry:
        references = []
        for number in range(30):
            registry.push_image("team/app", f"v{number}")
            references.append(registry.reference("team/app", f"v{number}"))
        toml = trusting(registry.host, max_connections=10)
        async with working(fresh_nats.url, tmp_path, toml) as client:
            answers = await asyncio.gather(*(client.ask(each) for each in references))
        assert all(isinstance(answer.outcome, Found) for answer in answers)
        totals = registry.totals()
        assert (totals.token_requests, totals.head_requests) == (1, 31)


@pytest.mark.parametrize("status", [401, 400])
async def test_a_token_that_ended_early_is_renewed(
    fresh_nats: NatsServer, tmp_path: Path, status: int
) -> None:
    """The registry may call it anything: ECR Public says 400."""
    auth = Auth(scheme=Scheme.BEARER, expired_status=status)
    async with SandboxRegistry(auth=auth).serving() as registry:
        for tag in ("1", "2"):
            registry.push_image("team/app", tag)
        async with working(fresh_nats.url, tmp_path, trusting(registry.host)) as client:
            await client.ask(registry.reference("team/app", "1"))
            registry.tokens.expire_all()
            answer = await client.ask(registry.reference("team/app", "2"))
        assert isinstance(answer.outcome, Found)
        assert registry.totals().token_requests == 2
