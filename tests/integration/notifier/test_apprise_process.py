"""Channels that answer for ever, or end before they answer: bounded, and never sent twice."""

import asyncio
import gzip
import os
import resource
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import msgspec
import pytest

from imagedrift_notifier.adapters.apprise_process import AppriseSender
from imagedrift_notifier.core.outcome import Delivered, Doubtful, Failed
from imagedrift_notifier.core.secret_text import SecretText
from support.notifier import TOKEN, Receiver, outbound_message
from support.polling import until

MESSAGE = outbound_message(route="chat", channel="apprise")
MIB = 1024 * 1024
SOON_S = 4.0
"""A process of Apprise takes a second to start."""
Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def answering(answer: Answer, scheme: str = "json") -> AsyncIterator[SecretText]:
    """Serve a channel that answers so; its address."""

    async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            await answer(reader, writer)
        writer.close()

    server = await asyncio.start_server(one, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        yield SecretText(f"{scheme}://127.0.0.1:{port}/{TOKEN}?rto=60&cto=60")
    finally:
        server.close()


def http(head: bytes, parts: Callable[[], Iterator[bytes]], pause_s: float = 0) -> Answer:
    """Answer a request by a head and by parts of a body."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(head)
        for part in parts():
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(pause_s)

    return answer


def for_ever(part: bytes) -> Callable[[], Iterator[bytes]]:
    """Repeat a part without an end."""
    return lambda: iter(lambda: part, None)


OK = b"HTTP/1.1 200 OK\r\n"
BOMB = gzip.compress(bytes(10 * MIB))
"""Ten megabytes in ten thousand bytes; a body has as many of them as it likes."""
ENDLESS = {
    "a body": http(OK + b"\r\n", for_ever(bytes(64 * 1024))),
    "a body by the byte": http(OK + b"\r\n", for_ever(b"x"), pause_s=0.05),
    "a body that unpacks to more": http(
        OK + b"Content-Encoding: gzip\r\n\r\n", for_ever(BOMB), pause_s=0.001
    ),
    "headers": http(OK, for_ever(b"X: " + b"x" * 60_000 + b"\r\n")),
    "headers by the byte": http(OK + b"X: ", for_ever(b"x"), pause_s=0.05),
    "a header of ten megabytes": http(OK + b"X: ", lambda: iter([b"x" * 10 * MIB])),
    "promises of an answer": http(b"", for_ever(b"HTTP/1.1 100 Continue\r\n\r\n")),
    "nothing": http(b"", for_ever(b""), pause_s=0.05),
}


@pytest.mark.parametrize("answer", ENDLESS.values(), ids=ENDLESS)
async def test_an_answer_without_an_end_is_a_doubt_in_bounded_time_and_memory(
    answer: Answer,
) -> None:
    """The notifier goes on whatever a chat answers, and does not send the message again."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    async with answering(answer) as address, asyncio.timeout(SOON_S + 5):
        outcome = await AppriseSender(within_s=SOON_S).send(address, MESSAGE)

    assert isinstance(outcome, Doubtful)
    assert outcome.reason.startswith("JSON: ")
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) < 64 * 1024


async def test_a_mail_server_that_greets_for_ever_is_ended() -> None:
    """A channel that is no chat has the same bounds."""

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            writer.write(b"220-welcome\r\n" * 1000)
            await writer.drain()

    async with answering(greet, "mailto://u:p") as _, answering(greet) as address:
        port = address.reveal().split(":")[2].partition("/")[0]
        mail = SecretText(f"mailto://u:{TOKEN}@127.0.0.1:{port}?from=a@b.example&to=c@d.example")
        async with asyncio.timeout(SOON_S + 5):
            outcome = await AppriseSender(within_s=SOON_S).send(mail, MESSAGE)

    assert isinstance(outcome, Doubtful)
    assert TOKEN not in outcome.reason


@pytest.mark.parametrize(
    "answer",
    [
        http(b"", lambda: iter([])),
        http(b"HTTP/1.1 2", lambda: iter([])),
        http(OK + b"Content-Length: 100\r\n\r\nshort", lambda: iter([])),
    ],
    ids=["nothing", "half a status", "half a body"],
)
async def test_a_connection_that_ends_before_its_answer_is_a_doubt(answer: Answer) -> None:
    """The chat may have taken the message: trying again would show it twice."""
    async with answering(answer) as address:
        assert await AppriseSender().send(address, MESSAGE) == Doubtful("JSON: no answer")


@pytest.mark.parametrize(
    ("last", "outcome"),
    [
        (b"", Doubtful("E-Mail: no answer")),
        (b"554 no\r\n", Failed("E-Mail: did not take it")),
        (b"250 ok\r\n", Delivered()),
    ],
    ids=["ends", "refuses", "takes"],
)
async def test_a_mail_is_in_doubt_only_where_its_end_was_not_answered(
    last: bytes, outcome: object
) -> None:
    """A server that takes the whole mail and hangs up may have delivered it."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 hello\r\n")
        while line := await reader.readline():
            if line.upper().startswith(b"DATA"):
                writer.write(b"354 go on\r\n")
                await reader.readuntil(b"\r\n.\r\n")
                writer.write(last)
                if not last:
                    return
            else:
                writer.write(b"250 ok\r\n")

    async with answering(serve) as address:
        port = address.reveal().split(":")[2].partition("/")[0]
        mail = SecretText(f"mailto://127.0.0.1:{port}?from=a@b.example&to=c@d.example")
        assert await AppriseSender().send(mail, MESSAGE) == outcome


async def test_an_address_that_asks_for_tries_has_one(receiving: Receiver) -> None:
    """An address cannot make a chat have a message twice."""
    receiving.status = 500
    port = receiving.url.rpartition(":")[2]
    address = SecretText(f"json://127.0.0.1:{port}/{TOKEN}?retry=3&wait=0")

    assert await AppriseSender().send(address, MESSAGE) == Failed("JSON: did not take it")
    assert len(receiving.received) == 1


async def test_a_message_that_hangs_holds_up_no_other(receiving: Receiver) -> None:
    """Each message has a process of its own."""
    async with answering(ENDLESS["nothing"]) as hanging:
        first = asyncio.create_task(AppriseSender(within_s=SOON_S).send(hanging, MESSAGE))
        port = receiving.url.rpartition(":")[2]
        other = msgspec.structs.replace(MESSAGE, route="other")
        address = SecretText(f"json://127.0.0.1:{port}/{TOKEN}")

        assert await AppriseSender().send(address, other) == Delivered()
        assert not first.done()
        assert isinstance(await first, Doubtful)


async def test_no_other_user_sees_the_address_and_a_stop_of_the_service_ends_nothing(
    receiving: Receiver,
) -> None:
    """The arguments and the environment of the process have no part of the address."""
    receiving.may_answer.clear()
    port = receiving.url.rpartition(":")[2]
    address = SecretText(f"json://127.0.0.1:{port}/{TOKEN}?rto=60")
    sending = asyncio.create_task(AppriseSender().send(address, MESSAGE))
    await until(lambda: receiving.received, what="the chat has the message")

    [child] = children()
    shown = b"".join(Path(f"/proc/{child}/{part}").read_bytes() for part in ("cmdline", "environ"))
    os.kill(child, signal.SIGTERM)
    receiving.may_answer.set()

    assert await sending == Delivered()
    assert TOKEN.encode() not in shown


async def test_a_message_that_is_given_up_leaves_no_process(receiving: Receiver) -> None:
    """A task that is cancelled ends its process."""
    receiving.may_answer.clear()
    port = receiving.url.rpartition(":")[2]
    address = SecretText(f"json://127.0.0.1:{port}/{TOKEN}?rto=60")
    sending = asyncio.create_task(AppriseSender().send(address, MESSAGE))
    await until(lambda: receiving.received, what="the chat has the message")
    sending.cancel()

    with pytest.raises(asyncio.CancelledError):
        await sending
    assert children() == []


def children() -> list[int]:
    """Processes of Apprise that this process has started."""
    found = []
    for task in Path("/proc/self/task").iterdir():
        found += [int(each) for each in (task / "children").read_text().split()]
    return [each for each in found if b"apprise" in Path(f"/proc/{each}/cmdline").read_bytes()]
