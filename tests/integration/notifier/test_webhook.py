"""A webhook: what is posted, which answers count, and which addresses are never asked."""

import asyncio
import logging
import socket
import ssl
import threading
from datetime import timedelta
from pathlib import Path

import pytest

from imagedrift_notifier.adapters import webhook
from imagedrift_notifier.adapters.webhook import WebhookSender
from imagedrift_notifier.core.outbound import OutboundMessage
from imagedrift_notifier.core.outcome import Delivered, Doubtful, Failed, SendOutcome
from imagedrift_notifier.core.secret_text import SecretText
from imagedrift_notifier.core.signature import signing_keys
from imagedrift_runtime.clock import SystemClock
from imagedrift_sandbox.free_port import free_port
from support.certificates import Authority
from support.notifier import KEY, NOW, TOKEN, Receiver, receiver

MESSAGE = OutboundMessage(
    message_id="msg_1",
    route="ops",
    channel="webhook",
    created_at=NOW,
    title="a title",
    body="a text",
    payload={"type": "imagedrift.notification.v1", "data": {"items": []}},
    attempts=1,
    age=timedelta(),
)


async def post(url: str) -> SendOutcome:
    """Post a message."""
    keys = signing_keys(KEY)
    assert keys is not None
    return await WebhookSender(SystemClock()).post(SecretText(url), keys, MESSAGE)


async def test_a_message_is_posted_signed_and_whole(
    receiving: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    """A receiver can check who sent a message, and knows it by its id; no log has the address."""
    port = receiving.url.rpartition(":")[2]

    with caplog.at_level(logging.DEBUG):
        assert await post(f"http://localhost:{port}/hook/{TOKEN}?x=1") == Delivered()
    assert TOKEN not in caplog.text

    [got] = receiving.received
    assert got.is_signed
    assert (got.path, got.id, got.headers["content-type"]) == (
        f"/hook/{TOKEN}",
        "msg_1",
        "application/json",
    )
    assert got.headers["host"] == f"localhost:{port}"
    assert got.read == {
        "type": "imagedrift.notification.v1",
        "timestamp": "2026-11-26T20:00:00+00:00",
        "data": {"items": [], "title": "a title", "text": "a text"},
    }


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (204, Delivered()),
        (302, Failed("answered with status 302")),
        (410, Failed("answered with status 410")),
        (500, Failed("answered with status 500")),
    ],
)
async def test_only_success_counts_and_no_redirect_is_followed(
    receiving: Receiver, status: int, outcome: SendOutcome
) -> None:
    """A redirect would take the message, and its address, elsewhere."""
    receiving.status = status

    assert await post(f"{receiving.url}/hook") == outcome
    assert len(receiving.received) == 1


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/latest/s3cr3t-t0k3n",
        "http://[fd00:ec2::254]/s3cr3t-t0k3n",
        "http://[::ffff:169.254.169.254]/s3cr3t-t0k3n",
        "ftp://example.org/s3cr3t-t0k3n",
        "s3cr3t-t0k3n",
        "http://",
        "http://exa\nmple.org/s3cr3t-t0k3n",
        "http://[::1/s3cr3t-t0k3n",
        "http://no.such.name.invalid/s3cr3t-t0k3n",
    ],
)
async def test_an_address_that_is_none_or_forbidden_is_never_asked(url: str) -> None:
    """The metadata service of a cloud is no receiver; an error shows no part of an address."""
    outcome = await post(url)

    assert isinstance(outcome, Failed)
    assert TOKEN not in outcome.reason


async def test_nobody_there_is_a_failure_and_a_broken_answer_a_doubt(
    receiving: Receiver,
) -> None:
    """A message that could not be sent was not taken; one without an answer may have been."""
    assert isinstance(await post(f"http://127.0.0.1:{free_port()}/{TOKEN}"), Failed)
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(5)

        def hang_up() -> None:
            server.accept()[0].close()

        thread = threading.Thread(target=hang_up)
        thread.start()
        outcome = await post(f"http://127.0.0.1:{server.getsockname()[1]}/{TOKEN}")
        thread.join()
    assert isinstance(outcome, Doubtful)
    assert TOKEN not in outcome.reason


async def test_an_answer_that_never_ends_is_a_doubt() -> None:
    """A receiver that sends a byte now and then keeps a message no longer than a silent one."""
    told = asyncio.Event()

    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while not told.is_set():
            writer.write(b"H")
            await asyncio.sleep(0.05)
        writer.close()

    keys = signing_keys(KEY)
    assert keys is not None
    async with await asyncio.start_server(drip, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        posting = WebhookSender(SystemClock(), within_s=0.4)

        outcome = await posting.post(SecretText(f"http://127.0.0.1:{port}/{TOKEN}"), keys, MESSAGE)
        told.set()

    assert outcome == Doubtful("no answer: TimeoutError")


async def test_a_certificate_has_to_be_of_the_name_in_the_address(tmp_path: Path) -> None:
    """The connection is made to an address, and the certificate checked against the name."""
    authority = Authority.made(tmp_path)
    trusting = ssl.create_default_context(cafile=str(authority.certificate))
    trusting.verify_flags &= ~ssl.VERIFY_X509_STRICT  # our authority's are plain (Python 3.13)
    keys = signing_keys(KEY)
    assert keys is not None
    for name, expected in (("localhost", Delivered), ("other.example", Failed)):
        pair = authority.leaf(name)
        serving = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        serving.load_cert_chain(pair.certificate, pair.key)
        async with receiver(serving) as over_tls:
            port = over_tls.url.rpartition(":")[2]
            posting = WebhookSender(SystemClock(), trusting)
            url = SecretText(f"https://localhost:{port}/{TOKEN}")

            outcome = await posting.post(url, keys, MESSAGE)

        assert isinstance(outcome, expected), outcome


def test_a_fault_of_an_address_is_told_without_it() -> None:
    """The command checks addresses before anything is sent."""
    assert webhook.address_fault(SecretText("https://hooks.example.org/x")) == ""
    assert webhook.address_fault(SecretText("mailto:s3cr3t")).startswith("is no address as")
