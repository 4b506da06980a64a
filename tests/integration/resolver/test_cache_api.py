"""The shared cache for others: the micro service, and notifications of a push."""

import json
from pathlib import Path

import pytest
from msgspec.structs import replace

from imagedrift_runtime.nats.errors import RequestRefused
from imagedrift_sandbox.nats import NatsServer
from imagedrift_sandbox.registry import SandboxRegistry
from imagedrift_schemas import codec, subjects
from imagedrift_schemas.v1 import Answer
from support.resolver import ResolverClient, trusting, working


async def lookup(client: ResolverClient, payload: bytes) -> Answer:
    """Ask the micro service."""
    return codec.decode(await client.nats.request(subjects.RESOLVER_LOOKUP, payload), Answer)


async def test_the_cache_can_be_asked_over_nats(fresh_nats: NatsServer, tmp_path: Path) -> None:
    """The cache answers over NATS, as a micro service."""
    async with SandboxRegistry().serving() as registry:
        registry.push_image("app", "1")
        reference = registry.reference("app", "1")
        async with working(fresh_nats.url, tmp_path, trusting(registry.host)) as client:
            known = await client.ask(reference)
            assert await lookup(client, reference.encode()) == known
            assert await lookup(client, json.dumps({"reference": reference}).encode()) == known
            info = json.loads(await client.nats.request("$SRV.INFO.imagedrift-resolver", b""))
        assert [endpoint["name"] for endpoint in info["endpoints"]] == ["lookup"]
        assert registry.totals().total == 1


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        (b"ghcr.io/nobody/asked:1", "404"),
        (b"NOT A REFERENCE", "400"),
        (b"{", "400"),
        (b"", "400"),
        (f"ghcr.io/a/b@sha256:{'a' * 64}".encode(), "400"),
    ],
)
async def test_a_question_that_has_no_answer_is_told_why(
    fresh_nats: NatsServer, tmp_path: Path, payload: bytes, code: str
) -> None:
    """A request without a cached answer is an error with a sentence."""
    async with working(fresh_nats.url, tmp_path) as client:
        with pytest.raises(RequestRefused) as caught:
            await lookup(client, payload)
    assert caught.value.code == code
    assert caught.value.text


async def test_p7_what_a_credential_opened_is_told_to_its_holder_alone(
    fresh_nats: NatsServer, tmp_path: Path
) -> None:
    """P7: a credential's answer is served only to requests that claim it."""
    async with SandboxRegistry().serving() as registry:
        registry.push_image("app", "1")
        reference = registry.reference("app", "1")
        async with working(fresh_nats.url, tmp_path, trusting(registry.host)) as client:
            private = replace(await client.ask(reference), credential="me")
            await client.answers.put(subjects.answer_key(private), codec.encode(private))
            with pytest.raises(RequestRefused) as caught:
                await lookup(client, reference.encode())
            mine = json.dumps({"reference": reference, "credential": "me"}).encode()
            assert await lookup(client, mine) == private
    assert caught.value.code == "403"
    assert private.last_digest not in caught.value.text
