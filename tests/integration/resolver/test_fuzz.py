"""Any response of a registry is an answer or a failure: 100,000 random ones.

Most are handed to the conversations directly; some thousands go over sockets, with everything that
can go wrong there: no HTTP at all, half a response, none, one that never ends, one byte at a time.
The seed is fixed, so a failure comes again.
"""

import asyncio
import random
import ssl
import tracemalloc
from collections.abc import Callable
from typing import Any, get_args

from imagedrift_resolver.adapters.routes import ConnectionRoute
from imagedrift_resolver.core.conversation import Authorise, RegistryProfile, Send, resolve
from imagedrift_resolver.core.description import Description, describe
from imagedrift_resolver.core.manifest import MANIFEST_CAP
from imagedrift_resolver.core.reply import HEARD, NoResponse, NoResponseKind, Reply
from imagedrift_resolver.core.token import Token, read_token
from imagedrift_resolver.core.url import Url
from imagedrift_schemas.v1 import Child, Describe, Failure, Found, Outcome
from support.conversations import DIGEST, NOW, site
from support.dialing import http_client

RESPONSES = 100_000
OVER_SOCKETS = 2_000
WORKERS = 40

STATUSES = [200, 200, 200, 401, 404, 429, 302, 307, 400, 403, 405, 500, 503, 100, 0, 999]
PIECES = [
    DIGEST,
    "sha256:",
    "sha512:" + "b" * 128,
    "Bearer realm=",
    '"https://auth.example/t"',
    "Basic",
    "https://",
    "http://127.0.0.1/",
    "/v2/x/manifests/1",
    "application/vnd.oci.image.index.v1+json",
    "text/html",
    "registry/2.0",
    "100;w=60",
    "99999999999999999999",
    "-1",
    "NaN",
    ",",
    "=",
    '"',
    "\\",
    "é\x00\x7f",
    " ",
]
JSON_PIECES = [
    "{",
    "}",
    "[",
    "]",
    ":",
    ",",
    "null",
    "1e999",
    '"manifests"',
    '"config"',
    '"digest"',
    f'"{DIGEST}"',
    '"mediaType"',
    '"token"',
    '"errors"',
    '"\\ud800"',
    "\xff",
]
WHOLE = [
    b"",
    b"{}",
    b"[]",
    b'{"manifests":[]}',
    b'{"manifests":[{"digest":"' + DIGEST.encode() + b'","platform":{"os":"linux"}}]}',
    b'{"config":{"digest":"' + DIGEST.encode() + b'"},"layers":[]}',
    b'{"manifests":[],"config":{}}',
    b'{"errors":[{"code":"DENIED"}]}',
    b'{"errors":[{"code":"MANIFEST_UNKNOWN"}]}',
    b'{"token":"abc"}',
    b"[" * 5_000,
]


def text(dice: random.Random) -> str:
    """A header's value."""
    return "".join(dice.choices(PIECES, k=dice.randint(0, 5)))


def body(dice: random.Random) -> bytes:
    """A body: whole, nearly, or nonsense."""
    kind = dice.random()
    if kind < 0.5:
        return dice.choice(WHOLE)
    if kind < 0.9:
        return "".join(dice.choices(JSON_PIECES, k=dice.randint(0, 12))).encode(
            "latin-1", "replace"
        )
    return dice.randbytes(dice.randint(0, 300))


def reply(dice: random.Random) -> Reply | NoResponse:
    """A response."""
    if dice.random() < 0.02:
        return NoResponse(dice.choice(get_args(NoResponseKind)), "the connection broke")
    names = dice.sample(sorted(HEARD), k=dice.randint(0, 4))
    headers = {name: tuple(text(dice) for _ in range(dice.randint(1, 2))) for name in names}
    status = dice.choice(STATUSES) if dice.random() < 0.95 else dice.randint(0, 1000)
    return Reply(status, headers, body(dice), dice.random() < 0.05)


def converse(conversation: Any, answer: Callable[[], Reply | NoResponse]) -> tuple[Any, int]:
    """Hold a conversation with that registry; the result, and how many responses it took."""
    step_reply: Any = None
    responses = 0
    while True:
        try:
            step = conversation.send(step_reply)
        except StopIteration as end:
            return end.value[0], responses
        responses += 1
        assert responses < 200, "the conversation has no end"
        step_reply = answer() if isinstance(step, Send) else read_token(answer(), NOW)
        assert isinstance(step, Send | Authorise)


DESCRIBE = Describe(
    registry="registry.example.org",
    repository="team/app",
    digest=DIGEST,
    asked_at=NOW,
    platforms=("linux/amd64",),
    image_ids=(DIGEST,),
)


def test_100_000_responses_each_become_an_answer() -> None:
    """100,000 random responses each become one of the answers."""
    dice = random.Random(20261124)
    at, hub = site(), site("docker.io", host="registry-1.docker.io")
    played = 0
    kinds: set[str] = set()
    while played < RESPONSES:
        where = at if dice.random() < 0.8 else hub
        profile = RegistryProfile()
        for _ in range(3):
            if dice.random() < 0.6:
                talk: Any = resolve(where, profile, "team/app", "1", NOW)
                allowed: tuple[type, ...] = get_args(Outcome)
            else:
                talk = describe(where, profile, DESCRIBE, (), NOW)
                allowed = (*get_args(Failure), tuple)
            result, responses = converse(talk, lambda: reply(dice))
            if isinstance(result, Description):
                result = result.failure or result.children
            played += max(responses, 1)
            kind = type(result)
            kinds.add(kind.__name__)
            assert kind in allowed
            if kind is tuple:
                assert all(isinstance(child, Child) for child in result)
            elif kind is not Found:
                assert result.reason
    assert {kind.__name__ for kind in get_args(Outcome)} <= kinds


def test_every_token_answer_is_a_token_or_a_failure() -> None:
    """Every random response of a token endpoint is a token or a failure."""
    dice = random.Random(7)
    for _ in range(10_000):
        assert isinstance(read_token(reply(dice), NOW), (Token, *get_args(Failure)))


class Liar:
    """A server that answers every connection with bytes of its own choice."""

    def __init__(self) -> None:
        self.dice = random.Random(42)
        self.answered = 0

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Read a request, and answer as the dice fall."""
        try:
            await reader.readuntil(b"\r\n\r\n")
            self.answered += 1
            await self._answer(writer)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _answer(self, writer: asyncio.StreamWriter) -> None:
        kind = self.dice.random()
        head = self._head()
        if kind < 0.1:
            writer.write(self.dice.randbytes(self.dice.randint(0, 400)))
        elif kind < 0.75:
            whole = head + body(self.dice)
            writer.write(whole[: self.dice.randint(0, len(whole))] if kind < 0.3 else whole)
        elif kind < 0.85:
            await self._endless(writer, head)
        elif kind < 0.9:
            await self._endless(writer, b"HTTP/1.1 200 OK\r\nX: ")
        elif kind < 0.95:
            for byte in head[:200]:
                writer.write(bytes([byte]))
                await asyncio.sleep(0.005)
        else:
            await asyncio.sleep(10)

    def _head(self) -> bytes:
        dice = self.dice
        lines = [f"HTTP/1.{dice.choice('0112')} {dice.choice(STATUSES)} {text(dice)}"]
        names = dice.sample(sorted(HEARD), k=dice.randint(0, 4))
        lines += [f"{name}: {text(dice)}" for name in names]
        if dice.random() < 0.5:
            lines.append(f"Content-Length: {dice.choice(['0', '10', '-1', 'x', '9' * 30])}")
        if dice.random() < 0.2:
            lines.append("Transfer-Encoding: chunked")
        ending = "\r\n" if dice.random() < 0.9 else "\n"
        return (ending.join(lines) + ending * 2).encode("latin-1", "replace")

    async def _endless(self, writer: asyncio.StreamWriter, head: bytes) -> None:
        writer.write(head)
        for _ in range(10_000):
            writer.write(b"x" * 64 * 1024)
            await writer.drain()


async def test_thousands_of_responses_over_sockets() -> None:
    """Thousands of random responses over sockets are replies or errors, in bounded time."""
    liar = Liar()
    server = await asyncio.start_server(liar.accept, "127.0.0.1", 0)
    url = Url("http", "127.0.0.1", server.sockets[0].getsockname()[1], "/v2/a/manifests/1")
    route = ConnectionRoute(ssl.create_default_context(), timeout_s=0.25)
    client = http_client(lambda *_: route)
    headers = [("Host", url.authority)]
    left = OVER_SOCKETS
    kinds: set[type] = set()

    async def worker(number: int) -> None:
        nonlocal left
        while left > 0:
            left -= 1
            method = "HEAD" if (left + number) % 3 else "GET"
            got = await client.send(method, url, headers, cap=MANIFEST_CAP, trusted=True)
            kinds.add(type(got))
            if isinstance(got, NoResponse):
                assert got.reason
            else:
                assert len(got.body) <= MANIFEST_CAP
                assert got.headers.keys() <= HEARD

    tracemalloc.start()
    try:
        async with asyncio.timeout(90):
            await asyncio.gather(*(worker(number) for number in range(WORKERS)))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        await client.close()
        server.close()
    assert liar.answered > OVER_SOCKETS / 2
    assert kinds == {Reply, NoResponse}
    assert peak < WORKERS * 2 * MANIFEST_CAP + 64 * 1024 * 1024
