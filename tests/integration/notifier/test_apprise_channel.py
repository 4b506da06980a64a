"""Apprise: what it takes, what it does not, and that nothing of an address is seen.

Each message is sent by a process of its own, as the service does.
"""

import logging

import msgspec
import pytest

from imagedrift_notifier.adapters import apprise_channel
from imagedrift_notifier.adapters.apprise_process import AppriseSender
from imagedrift_notifier.core.outcome import Delivered, Doubtful, Failed
from imagedrift_notifier.core.secret_text import SecretText
from imagedrift_sandbox.free_port import free_port
from support.notifier import TOKEN, Receiver, outbound_message

MESSAGE = outbound_message(route="chat", channel="apprise", body="a text\nof two lines")


def address(receiving: Receiver, options: str = "rto=5") -> SecretText:
    """The address of a chat."""
    port = receiving.url.rpartition(":")[2]
    return SecretText(f"json://127.0.0.1:{port}/{TOKEN}?{options}")


async def test_a_message_arrives_by_the_channel(receiving: Receiver) -> None:
    """A chat gets title and text, once."""
    assert await AppriseSender().send(address(receiving), MESSAGE) == Delivered()

    [got] = receiving.received
    assert (got.read["title"], got.read["message"]) == ("a title", "a text\nof two lines")


async def test_a_channel_that_refuses_is_a_failure_that_shows_no_address(
    receiving: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither the reason nor any log has a part of the address."""
    receiving.status = 403
    with caplog.at_level(logging.DEBUG):
        refused = await AppriseSender().send(address(receiving), MESSAGE)
        nobody = SecretText(f"json://127.0.0.1:{free_port()}/{TOKEN}")
        absent = await AppriseSender().send(nobody, MESSAGE)

    assert refused == Failed("JSON: did not take it")
    assert absent == Failed("JSON: did not take it")
    assert TOKEN not in caplog.text


async def test_a_channel_that_does_not_answer_is_a_doubt(receiving: Receiver) -> None:
    """The message may have arrived, so it is not sent again."""
    receiving.may_answer.clear()

    outcome = await AppriseSender().send(address(receiving, "rto=0.3"), MESSAGE)

    assert outcome == Doubtful("JSON: no answer")


@pytest.mark.parametrize("text", ["s3cr3t-t0k3n", "nothing://s3cr3t-t0k3n", "slack://", "json://"])
async def test_an_address_that_apprise_does_not_know_is_told_without_it(text: str) -> None:
    """A wrong address is a failure, before anything is sent."""
    fault = apprise_channel.address_fault(SecretText(text))

    assert fault.startswith("is no address that Apprise knows")
    assert await AppriseSender().send(SecretText(text), MESSAGE) == Failed(fault)


@pytest.mark.parametrize(
    ("shown_as", "arrives"),
    [("html", "&lt;img src=//x&gt; &amp; more"), ("text", "<img src=//x> & more")],
)
async def test_markup_in_a_name_is_shown_and_does_nothing(
    receiving: Receiver, shown_as: str, arrives: str
) -> None:
    """A mail that is HTML shows the name of a place as it is written."""
    marked = msgspec.structs.replace(MESSAGE, body="<img src=//x> & more", title="<b>t</b>")
    where = address(receiving, f"rto=5&format={shown_as}")

    assert await AppriseSender().send(where, marked) == Delivered()

    [got] = receiving.received
    assert got.read["message"].replace("&nbsp;", " ") == arrives


async def test_a_text_is_cut_to_what_a_channel_takes() -> None:
    """No message is split into several."""
    made = apprise_channel.channel(SecretText("discord://1234567890/abcdefghijklmnop"))

    title, body = apprise_channel.fitting(made, "t" * 500, "b" * 50_000)

    assert len(title) <= max(made.title_maxlen, 500)
    assert len(body) + len(title) <= made.body_maxlen
